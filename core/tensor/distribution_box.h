#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <vector>

#include "core/tensor/detection.h"

/// Boxes whose sides are distributions (D-FINE, arXiv 2410.13842 §4.1). A side lies at some distance from the centre of
/// a reference box; how far it deviates from the middle of its half, in parts of the reference's size, is a
/// distribution over a few fixed values, close to each other near 0 and wide apart at the ends. The box takes the mean;
/// the loss sees the whole distribution. Sides in the order left, top, right, bottom.
namespace rtdetr {

struct DistributionOptions {
  std::int64_t steps = 32;  ///< `reg_max`, even: a distribution has one bin more
  double reach = 0.5;       ///< `up`: inner bins end at so many sides of the reference, the outermost at twice that
  double scale = 4;         ///< `reg_scale`: parts of a side that deviations count; more are denser around 0

  std::int64_t bins() const { return steps + 1; }
  std::int64_t corners() const { return 4 * bins(); }  ///< logits of a box
};

/// The deviation that each bin stands for, ascending. [bins], on the CPU, float64
Tensor deviations_of_bins(const DistributionOptions& options);

/// @param corners  [..., 4 · bins] logits
/// @return         [..., 4, bins] of sum 1
Tensor shares_of_bins(const Tensor& corners, const DistributionOptions& options);

/// @param shares  [..., 4, bins]
/// @param values  [bins], of the shares' type
/// @return        [..., 4] mean deviations, not rounded under autocast
Tensor mean_deviations(const Tensor& shares, const Tensor& values);

/// The box whose sides deviate so from the reference's; a side can become negative, and the box can leave the picture.
/// @param reference   [..., 4] cxcywh
/// @param deviations  [..., 4]
/// @return            [..., 4] cxcywh
Tensor deviated_boxes(const Tensor& reference, const Tensor& deviations, double scale);

/// The distributions that a box asks for: each side's deviation lies between two bins.
struct DistributionTargets {
  Tensor bin;          ///< [M, 4] int64 the lower one, below bins - 1
  Tensor upper_share;  ///< [M, 4] of the bin above it; the lower one has the rest
};

/// @param reference    [M, 4] cxcywh
/// @param wanted_xyxy  [M, 4]
/// @param values       [bins] of deviations_of_bins, in the type and on the device of the boxes
DistributionTargets distribution_targets(const Tensor& reference, const Tensor& wanted_xyxy, const Tensor& values,
                                         double scale);

/// What a head that refines distributions hands its criterion. N queries: K denoising ones, the slots that pad them,
/// the Q others.
struct DistributionExtras : HeadExtras {
  DistributionOptions options;
  std::vector<Tensor> corners;  ///< of each layer that predicts, [B, N, 4 · bins] logits
  Prediction initial;  ///< [B, N, …] from which all layers start; logits undefined if the first did not predict
};

}  // namespace rtdetr
