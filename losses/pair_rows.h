#pragma once

#include <vector>

#include "core/tensor/detection.h"
#include "losses/batch_targets.h"
#include "losses/hungarian_matcher.h"

namespace rtdetr {

/// Pairs of all sets, set by set, as rows of flattened tensors; and what the sums over a set are divided by.
struct PairRows {
  Tensor predicted;  ///< [M] into S·B·Q
  Tensor wanted;     ///< [M] into the batch's N targets
  Tensor divisor;    ///< [S]
  std::vector<std::int64_t> per_set;
};

/// @param matches  S × B, of sets of `queries` an image
/// @param options  type of the divisor, and the device
PairRows rows_of_pairs(const std::vector<std::vector<Match>>& matches, std::int64_t queries,
                       const BatchTargets& targets, const std::vector<double>& normalizer,
                       const torch::TensorOptions& options);

}  // namespace rtdetr
