#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <limits>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/ops/ms_deform_attn.h"
#include "core/ops/ms_deform_attn_kernels.h"
#include "tests/support/devices.h"
#include "tests/support/gradcheck.h"
#include "tests/support/grid_sample_form.h"

using rtdetr::LevelShape;
using rtdetr::ms_deform_attn;
using rtdetr::SamplingMethod;
using rtdetr::test::half_places;
using rtdetr::test::ms_deform_attn_by_grid_sample;
using rtdetr::test::Place;
using rtdetr::test::places;
using rtdetr::test::test_device;
using torch::Tensor;

namespace {

const std::vector<LevelShape> kLevels = {{6, 8}, {3, 4}, {2, 2}};
const std::vector<std::int64_t> kPoints = {3, 4, 2};

struct Inputs {
  Tensor value, locations, weights;
};

/// Locations reach outside the maps on all sides. On the device of the test, which the CPU-only ones leave at the CPU.
Inputs make_inputs(std::int64_t channels, torch::ScalarType type = torch::kFloat64, std::int64_t queries = 7) {
  const torch::Device device = test_device();
  torch::manual_seed(channels);
  const auto options = torch::TensorOptions(torch::kFloat64);
  const std::int64_t tokens = 6 * 8 + 3 * 4 + 2 * 2;
  return {torch::randn({2, tokens, 3, channels}, options).to(device, type),
          (torch::rand({2, queries, 3, 9, 2}, options) * 1.6 - 0.3).to(device, type),
          torch::randn({2, queries, 3, 9}, options).softmax(-1).to(device, type)};
}

struct Gradients {
  Tensor output, value, locations, weights;
};

template <typename Op>
Gradients run(Inputs in, Op op) {
  for (Tensor* t : {&in.value, &in.locations, &in.weights}) *t = t->detach().clone().set_requires_grad(true);
  const Tensor output = op(in);
  const Tensor upstream = torch::linspace(-1, 1, output.numel(), output.options()).view(output.sizes());
  (output * upstream.detach()).sum().backward();
  return {output.detach(), in.value.grad(), in.locations.grad(), in.weights.grad()};
}

Gradients run_op(const Inputs& in, SamplingMethod method = SamplingMethod::kBilinear) {
  return run(
      in, [&](const Inputs& i) { return ms_deform_attn(i.value, kLevels, kPoints, i.locations, i.weights, method); });
}

double largest_difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

TEST_CASE("deformable attention equals its grid_sample form, forward and backward", "[devices]") {
  at::set_num_threads(1);
  const auto channels = GENERATE(1, 5, 16, 32, 40);
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Inputs in = make_inputs(channels, place.type);
  const Gradients ours = run_op(in),
                  slow = run(in, [](const Inputs&i) {
                    return ms_deform_attn_by_grid_sample(i.value, kLevels, kPoints, i.locations, i.weights);
                  });
  CHECK(largest_difference(ours.output, slow.output) < place.tolerance);
  CHECK(largest_difference(ours.value, slow.value) < place.tolerance);
  CHECK(largest_difference(ours.locations, slow.locations) < 10 * place.tolerance);
  CHECK(largest_difference(ours.weights, slow.weights) < place.tolerance);
}

TEST_CASE("a point on a cell's centre falls to the side that grid_sample takes", "[devices]") {
  at::set_num_threads(1);
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  // Where the output has a kink, its slope is that of one side: a centre that rounding moves must move alike.
  const std::vector<LevelShape> level = {{41, 49}};
  std::vector<double> xy;
  for (int y = 0; y < 41; ++y) {
    for (int x = 0; x < 49; ++x) xy.insert(xy.end(), {(x + 0.5) / 49, (y + 0.5) / 41});
  }
  const auto here = place.options();
  const Inputs in{torch::randn({1, 41 * 49, 1, 2}, here), torch::tensor(xy, here).view({1, 41 * 49, 1, 1, 2}),
                  torch::ones({1, 41 * 49, 1, 1}, here)};
  const Gradients ours = run(
                      in, [&](const Inputs&i) { return ms_deform_attn(i.value, level, {1}, i.locations, i.weights); }),
                  slow = run(in, [&](const Inputs&i) {
                    return ms_deform_attn_by_grid_sample(i.value, level, {1}, i.locations, i.weights);
                  });
  CHECK(largest_difference(ours.locations, slow.locations) < 100 * place.tolerance);
}

TEST_CASE("deformable attention's gradients equal finite differences", "[devices]") {
  at::set_num_threads(1);
  const Inputs in = make_inputs(4);
  const Tensor upstream = torch::randn({2, 7, 12}, torch::kFloat64).to(test_device());
  const auto total = [&](const Tensor& value, const Tensor& locations, const Tensor& weights) {
    return (ms_deform_attn(value, kLevels, kPoints, locations, weights) * upstream).sum();
  };
  CHECK(rtdetr::test::gradient_error([&](const Tensor& x) { return total(x, in.locations, in.weights); }, in.value) <
        1e-7);
  CHECK(rtdetr::test::gradient_error([&](const Tensor& x) { return total(in.value, x, in.weights); }, in.locations) <
        1e-6);
  CHECK(rtdetr::test::gradient_error([&](const Tensor& x) { return total(in.value, in.locations, x); }, in.weights) <
        1e-7);
}

TEST_CASE("every instruction set gives the same numbers up to rounding") {
  at::set_num_threads(1);
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  const double tolerance = type == torch::kFloat64 ? 1e-13 : 2e-5;
  const auto channels = GENERATE(7, 16, 32);
  const Inputs in = make_inputs(channels, type);
  rtdetr::set_cpu_level(rtdetr::CpuLevel::kBaseline);
  const Gradients plain = run_op(in);
  for (const auto level : {rtdetr::CpuLevel::kAvx2, rtdetr::CpuLevel::kAvx512}) {
    rtdetr::set_cpu_level(level);
    const Gradients fast = run_op(in);
    CHECK(largest_difference(plain.output, fast.output) < tolerance);
    CHECK(largest_difference(plain.value, fast.value) < tolerance);
    CHECK(largest_difference(plain.locations, fast.locations) < 20 * tolerance);
    CHECK(largest_difference(plain.weights, fast.weights) < tolerance);
  }
  rtdetr::set_cpu_level(rtdetr::best_cpu_level());
}

TEST_CASE("deformable attention is bit-equal for any number of threads") {
  const Inputs in = make_inputs(32, torch::kFloat32, 60);
  at::set_num_threads(1);
  const Gradients one = run_op(in);
  at::set_num_threads(3);
  const Gradients three = run_op(in);
  at::set_num_threads(1);
  CHECK(torch::equal(one.output, three.output));
  CHECK(torch::equal(one.value, three.value));
  CHECK(torch::equal(one.locations, three.locations));
  CHECK(torch::equal(one.weights, three.weights));
}

TEST_CASE("discrete sampling takes the cell under the point, without a gradient to the location", "[devices]") {
  at::set_num_threads(1);
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const auto here = place.options();
  const Tensor value = torch::arange(12, here).view({1, 12, 1, 1});  // 2 rows of 6
  const std::vector<double> xy = {0.0, 0.0, 0.9, 0.0, 0.6, 0.3, -3.0, 7.0};
  const Tensor locations = torch::tensor(xy, here).view({1, 4, 1, 1, 2}).set_requires_grad(true);
  const Tensor weights = torch::ones({1, 4, 1, 1}, here).set_requires_grad(true);
  const auto sample = [&](SamplingMethod method) {
    return ms_deform_attn(value, {{2, 6}}, {1}, locations, weights, method);
  };

  // trunc(0.9·6 + 0.5) = 5; trunc(0.6·6 + 0.5) = 4 and trunc(0.3·2 + 0.5) = 1, which without the half were 3 and 0
  CHECK(torch::equal(sample(SamplingMethod::kDiscrete).flatten(), torch::tensor({0.0, 5.0, 10.0, 6.0}, here)));
  // The official form clamps columns to the height: at most column 1 here.
  CHECK(torch::equal(sample(SamplingMethod::kDiscreteSquare).flatten(), torch::tensor({0.0, 1.0, 7.0, 6.0}, here)));
  sample(SamplingMethod::kDiscrete).sum().backward();
  CHECK_FALSE(locations.grad().defined());
  CHECK(torch::equal(weights.grad().flatten(), torch::tensor({0.0, 5.0, 10.0, 6.0}, here)));
}

TEST_CASE("points that are not numbers contribute nothing", "[devices]") {
  at::set_num_threads(1);
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const double huge = place.type == torch::kFloat64 ? 1e300 : 1e38;
  Inputs in = make_inputs(16, place.type);
  in.locations =
      torch::tensor({nan, 0.5, 0.5, -inf, inf, inf, huge, 0.1, nan, nan, -1e30, 2e9, 5.0, 5.0, 0.5, -5.0, nan, 1.0},
                    in.value.options())
          .view({1, 1, 1, 9, 2})
          .expand({2, 7, 3, 9, 2});
  const Gradients g = run_op(in);
  CHECK(torch::equal(g.output, torch::zeros_like(g.output)));
  CHECK(torch::equal(g.value, torch::zeros_like(g.value)));
  CHECK(torch::equal(g.locations, torch::zeros_like(g.locations)));
  CHECK(run_op(in, SamplingMethod::kDiscrete).output.isfinite().all().item<bool>());
}

TEST_CASE("half types are computed in float32 and keep value's type", "[devices]") {
  at::set_num_threads(1);
  const auto type = GENERATE(torch::kBFloat16, torch::kFloat16);
  const Inputs in = make_inputs(32, type);
  const Tensor half = ms_deform_attn(in.value, kLevels, kPoints, in.locations, in.weights);
  const Tensor full = ms_deform_attn(in.value.to(torch::kFloat32), kLevels, kPoints, in.locations.to(torch::kFloat32),
                                     in.weights.to(torch::kFloat32));
  CHECK(half.scalar_type() == type);
  CHECK(torch::equal(half, full.to(type)));
}

TEST_CASE("half values beside float32 locations have float32's gradients, each in its own type", "[devices]") {
  at::set_num_threads(1);
  const Place place = GENERATE(from_range(half_places()));
  INFO(place);
  Inputs in = make_inputs(32, torch::kFloat32);  // as autocast leaves them: a projection is half, a softmax is not
  in.value = in.value.to(place.type);
  const Gradients half = run_op(in);
  in.value = in.value.to(torch::kFloat32);
  const Gradients full = run_op(in);
  CHECK(half.output.scalar_type() == place.type);
  CHECK(half.value.scalar_type() == place.type);
  CHECK(half.locations.scalar_type() == torch::kFloat32);
  CHECK(half.weights.scalar_type() == torch::kFloat32);
  const auto error = [](const Tensor& a, const Tensor& b) {
    return largest_difference(a, b) / b.abs().max().item<double>();
  };
  CHECK(error(half.output, full.output) < place.tolerance);
  CHECK(error(half.value, full.value) < place.tolerance);
  CHECK(error(half.locations, full.locations) < place.tolerance);
  CHECK(error(half.weights, full.weights) < place.tolerance);
}

TEST_CASE("no queries are ordinary", "[devices]") {
  at::set_num_threads(1);
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Inputs in = make_inputs(8, place.type, 0);
  CHECK(run_op(in).output.sizes() == torch::IntArrayRef({2, 0, 24}));
}

TEST_CASE("deformable attention refuses sizes that do not fit", "[devices]") {
  const Inputs in = make_inputs(8);
  CHECK_THROWS_AS(ms_deform_attn(in.value, {{6, 8}, {3, 4}}, {3, 4}, in.locations, in.weights), rtdetr::InternalError);
  CHECK_THROWS_AS(ms_deform_attn(in.value, kLevels, {3, 4, 3}, in.locations, in.weights), rtdetr::InternalError);
  CHECK_THROWS_AS(ms_deform_attn(in.value, kLevels, kPoints, in.locations, in.weights.narrow(1, 0, 3)),
                  rtdetr::InternalError);
}
