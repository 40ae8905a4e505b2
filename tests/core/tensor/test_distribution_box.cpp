#include "core/tensor/distribution_box.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/autocast.h"

namespace rtdetr {

TEST_CASE("inner bins end at `reach` sides of the reference and the outermost at twice that, whatever the scale") {
  for (const double scale : {4.0, 8.0}) {
    const DistributionOptions options{32, 0.5, scale};
    const Tensor sides = deviations_of_bins(options) / scale;
    CHECK(sides[31].item<double>() == Approx(0.5));
    CHECK(sides[32].item<double>() == Approx(1.0));
    CHECK(sides[1].item<double>() == Approx(-0.5));
    CHECK(sides[0].item<double>() == Approx(-1.0));
  }
}

TEST_CASE("mean deviations are not rounded in a half pass") {
  const auto precision = GENERATE(Precision::kBFloat16, Precision::kFloat16);
  const torch::NoGradGuard no_grad;
  const DistributionOptions options;
  const Tensor shares = shares_of_bins(torch::linspace(-2, 3, options.corners()).view({1, 1, -1}), options);
  const Tensor values = deviations_of_bins(options).to(torch::kFloat32);
  const Tensor whole = mean_deviations(shares, values);
  const AutocastScope autocast(precision, torch::kCPU);
  const Tensor half = mean_deviations(shares, values);
  CHECK(half.scalar_type() == torch::kFloat32);
  CHECK(torch::allclose(half, whole, /*rtol=*/1e-6, /*atol=*/1e-6));
}

}  // namespace rtdetr
