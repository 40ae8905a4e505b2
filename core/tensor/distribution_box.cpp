#include "core/tensor/distribution_box.h"

#include <cmath>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/check.h"

namespace rtdetr {

Tensor deviations_of_bins(const DistributionOptions& options) {
  RTDETR_CHECK(options.steps >= 4 && options.steps % 2 == 0,
               "a distribution needs an even number of steps, at least 4");
  const std::int64_t half = options.steps / 2;
  const double inner = std::abs(options.reach) * std::abs(options.scale);
  const double growth = std::pow(inner + 1, 2 / static_cast<double>(options.steps - 2));
  std::vector<double> values(static_cast<std::size_t>(options.bins()));
  for (std::int64_t n = 0; n <= half; ++n) {
    const double value = n == half ? 2 * inner : std::pow(growth, static_cast<double>(n)) - 1;
    values[static_cast<std::size_t>(half - n)] = -value;
    values[static_cast<std::size_t>(half + n)] = value;
  }
  values[static_cast<std::size_t>(half)] = 0;
  return torch::tensor(values, torch::kFloat64);
}

Tensor shares_of_bins(const Tensor& corners, const DistributionOptions& options) {
  return corners.unflatten(-1, {std::int64_t{4}, options.bins()}).softmax(-1);
}

/// Not a matrix product, whose factors autocast and TF32 would round: a box would move by thousandths of its side.
Tensor mean_deviations(const Tensor& shares, const Tensor& values) { return (shares * values).sum(-1); }

Tensor deviated_boxes(const Tensor& reference, const Tensor& deviations, double scale) {
  const auto box = reference.split(2, -1), side = deviations.split(2, -1);
  const Tensor unit = box[1] / scale;
  return torch::cat({box[0] + (side[1] - side[0]) * unit * 0.5, box[1] + (side[0] + side[1]) * unit}, -1);
}

DistributionTargets distribution_targets(const Tensor& reference, const Tensor& wanted_xyxy, const Tensor& values,
                                         double scale) {
  constexpr double kSmallestUnit = 1e-16;  // a reference without size
  const torch::NoGradGuard no_grad;
  check_shape(reference, {-1, 4}, "reference boxes");
  check_shape(wanted_xyxy, {reference.size(0), 4}, "target boxes");
  const auto box = reference.split(2, -1), corner = wanted_xyxy.split(2, -1);
  const Tensor unit = box[1] / scale + kSmallestUnit;
  const Tensor deviation =
      torch::cat({(box[0] - corner[0]) / unit, (corner[1] - box[0]) / unit}, -1) - 0.5 * scale;  // [M, 4]
  const std::int64_t last = values.size(0) - 1;
  const Tensor below = torch::bucketize(deviation.contiguous(), values, /*out_int32=*/false, /*right=*/true) - 1;
  DistributionTargets targets;
  targets.bin = below.clamp(0, last - 1);
  const Tensor from_lower = (deviation - values.index({targets.bin})).abs();
  const Tensor from_upper = (values.index({targets.bin + 1}) - deviation).abs();
  const Tensor inside = from_lower / (from_lower + from_upper);
  targets.upper_share = torch::where(below < 0, 0.0, torch::where(below >= last, 1.0, inside)).to(deviation.dtype());
  return targets;
}

}  // namespace rtdetr
