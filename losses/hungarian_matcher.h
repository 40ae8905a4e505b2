#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/detection.h"
#include "losses/batch_targets.h"
#include "losses/options.h"

namespace rtdetr {

/// Pairs of one image: query and target indices, queries ascending.
struct Match {
  std::vector<std::int64_t> queries;
  std::vector<std::int64_t> targets;
};

/// Cost of giving a target to a query: cost_class · (focal cost of the target's class) + cost_bbox · L1 of the boxes
/// − cost_giou · GIoU (docs/reference/official_behaviour.md#matching); or −p · IoU⁴, see
/// CriterionOptions::overlap_costs. Only pairs of one image are computed.
///
/// @param logits  [S, B, Q, C] float32 or float64, S = output sets
/// @param boxes   [S, B, Q, 4] cxcywh, fraction of the image
/// @return        [S, N, Q] in that type, N targets of the whole batch; finite for finite input
Tensor matching_costs(const Tensor& logits, const Tensor& boxes, const BatchTargets& targets,
                      const CriterionOptions& options);

/// Gives every target of an image its own query at least total cost; with more targets than queries the dearest targets
/// stay without.
///
/// @param costs    [S, N, Q] from matching_costs
/// @param repeats  S entries: how many queries each target gets in this set
/// @return         S × B matches
/// @note  one copy from the device to the host; the problems are solved on ATen's threads
std::vector<std::vector<Match>> match_queries(const Tensor& costs, const BatchTargets& targets,
                                              const std::vector<std::int64_t>& repeats);

}  // namespace rtdetr
