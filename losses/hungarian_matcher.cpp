#include "losses/hungarian_matcher.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <span>

#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "losses/box_loss.h"
#include "losses/linear_assignment.h"

namespace rtdetr {
namespace {

using torch::indexing::Slice;

/// Of each target's class: [S, B, Q, C] → [N, S, Q].
Tensor scores_of_labels(const Tensor& logits, const BatchTargets& targets) {
  return torch::sigmoid(logits.index({Slice(), targets.images, Slice(), targets.labels}));
}

/// Focal cost of saying "yes" minus that of saying "no", of each target's class.
Tensor class_costs(const Tensor& logits, const BatchTargets& targets, const CriterionOptions& options) {
  const Tensor p = scores_of_labels(logits, targets);
  const Tensor rest = 1 - p;
  const Tensor yes = rest.pow(options.cost_gamma) * (p + 1e-8).log_();
  const Tensor no = p.pow(options.cost_gamma) * (rest + 1e-8).log_();
  return no.mul_(1 - options.cost_alpha).sub_(yes, options.cost_alpha);
}

/// The boxes of each target's image, coordinate by coordinate in memory so that every later operation runs over long
/// rows: [S, B, Q, 4] → [N, S, Q, 4] with strides of [4, N, S, Q].
Tensor boxes_of_images(const Tensor& boxes, const BatchTargets& targets) {
  return boxes.permute({3, 1, 0, 2}).contiguous().index_select(1, targets.images).permute({1, 2, 3, 0});
}

/// [N, 4] → [N, 1, 1, 4]
Tensor beside_queries(const Tensor& boxes) { return boxes.unsqueeze(1).unsqueeze(1); }

/// @param costs  targets × queries, row-major
Match match_image(std::span<const double> costs, std::int64_t targets, std::int64_t queries, std::int64_t repeats) {
  std::vector<double> repeated;
  if (repeats > 1) {
    for (std::int64_t i = 0; i < repeats; ++i) repeated.insert(repeated.end(), costs.begin(), costs.end());
    costs = repeated;
  }
  const std::vector<std::int64_t> query_of_target = assign_rows(costs, targets * repeats, queries);
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::int64_t i = 0; i < targets * repeats; ++i) {
    if (query_of_target[i] >= 0) pairs.emplace_back(query_of_target[i], i % targets);
  }
  std::sort(pairs.begin(), pairs.end());
  Match match;
  for (const auto& [query, target] : pairs) {
    match.queries.push_back(query);
    match.targets.push_back(target);
  }
  return match;
}

}  // namespace

Tensor matching_costs(const Tensor& logits, const Tensor& boxes, const BatchTargets& targets,
                      const CriterionOptions& options) {
  const torch::NoGradGuard no_grad;
  check_shape(logits, {-1, targets.batch(), -1, -1}, "logits");
  check_shape(boxes, {logits.size(0), logits.size(1), logits.size(2), 4}, "boxes");
  const IouPair overlap = paired_iou(boxes_of_images(overlap_corners(boxes, options), targets),
                                     beside_queries(cxcywh_to_xyxy(targets.boxes_cxcywh)), options.iou_epsilon);
  if (options.overlap_costs) return (-scores_of_labels(logits, targets) * overlap.iou.pow(4)).transpose(0, 1);
  const Tensor distance =
      (boxes_of_images(boxes, targets) - beside_queries(targets.boxes_cxcywh)).abs_().sum(-1);  // [N, S, Q]
  const Tensor costs = class_costs(logits, targets, options) * options.cost_class + distance * options.cost_bbox -
                       overlap.giou * options.cost_giou;
  return costs.transpose(0, 1);
}

std::vector<std::vector<Match>> match_queries(const Tensor& costs, const BatchTargets& targets,
                                              const std::vector<std::int64_t>& repeats) {
  const std::int64_t sets = static_cast<std::int64_t>(repeats.size());
  check_shape(costs, {sets, targets.offsets.back(), -1}, "matching costs");
  const Tensor host = costs.to(torch::kCPU).to(torch::kFloat64).contiguous();
  const double* numbers = host.const_data_ptr<double>();
  const std::int64_t batch = targets.batch(), all = costs.size(1), queries = costs.size(2);

  std::vector<std::vector<Match>> matches(sets, std::vector<Match>(batch));
  at::parallel_for(0, sets * batch, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t problem = begin; problem < end; ++problem) {
      const std::int64_t set = problem / batch, image = problem % batch;
      const std::int64_t count = targets.count(image);
      const double* first = numbers + (set * all + targets.offsets[image]) * queries;
      matches[set][image] =
          match_image({first, static_cast<std::size_t>(count * queries)}, count, queries, repeats[set]);
    }
  });
  return matches;
}

}  // namespace rtdetr
