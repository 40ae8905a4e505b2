#include "losses/task_aligned_assigner.h"

#include <torch/types.h>

#include <algorithm>

#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "losses/complete_iou.h"

namespace rtdetr {
namespace {

constexpr double kInside = 1e-9;       // pixels that a candidate's centre keeps to every side
constexpr double kLeastMetric = 1e-9;  // added to what metrics are divided by

/// Every box with every anchor of its picture: [N, A] each, 0 outside the candidates.
struct Alignment {
  Tensor is_candidate, overlap, metric;
};

Tensor find_candidates(const Tensor& boxes_xyxy, const Tensor& points, double least_side) {
  const std::vector<Tensor> box = xyxy_to_cxcywh(boxes_xyxy).split(2, -1);
  const Tensor half = box[1].clamp_min(least_side) * 0.5;
  const Tensor low = (box[0] - half).unsqueeze(1), high = (box[0] + half).unsqueeze(1);  // [N, 1, 2]
  return torch::logical_and((points - low) > kInside, (high - points) > kInside).all(-1);
}

Alignment align(const DensePredictions& predictions, const BatchTargets& targets, const Tensor& boxes_xyxy,
                const AssignmentOptions& options) {
  const std::int64_t anchors = predictions.points.size(0), classes = predictions.logits.size(2);
  Alignment all;
  all.is_candidate = find_candidates(boxes_xyxy, predictions.points, options.least_side);
  const Tensor pairs = all.is_candidate.flatten().nonzero().squeeze(1);  // [P] of N · A
  const Tensor box = pairs.div(anchors, "floor"), anchor = pairs.remainder(anchors);
  const Tensor place = targets.images.index_select(0, box) * anchors + anchor;  // of B · A
  const Tensor predicted = predictions.boxes_xyxy.reshape({-1, 4}).index_select(0, place);
  const Tensor overlap = complete_iou(boxes_xyxy.index_select(0, box), predicted).clamp_min(0);
  const Tensor score_place = place * classes + targets.labels.index_select(0, box);
  const Tensor score = predictions.logits.reshape({-1}).index_select(0, score_place).to(overlap.dtype()).sigmoid();
  const Tensor metric = score.pow(options.score_power) * overlap.pow(options.overlap_power);
  const auto spread = [&](const Tensor& values) {
    return torch::zeros({boxes_xyxy.size(0) * anchors}, values.options())
        .index_put_({pairs}, values)
        .view({-1, anchors});
  };
  all.overlap = spread(overlap);
  all.metric = spread(metric);
  return all;
}

/// [N, A] the best anchors of each box.
Tensor take_best(const Tensor& metric, std::int64_t topk) {
  const auto [best, anchors] = metric.topk(std::min(topk, metric.size(1)), 1);
  return torch::zeros_like(metric, torch::kBool).scatter_(1, anchors, best > 0);
}

/// [B, A] the one box that each anchor learns, a row of the targets; -1: none.
Tensor find_owners(const Alignment& all, const Tensor& taken, const BatchTargets& targets) {
  const std::int64_t boxes = taken.size(0), anchors = taken.size(1);
  const Tensor picture = targets.images.unsqueeze(1).expand({boxes, anchors});
  const Tensor row = torch::arange(boxes, targets.images.options()).unsqueeze(1).expand({boxes, anchors});
  const auto gather = [&](const Tensor& start, const Tensor& values, const char* how) {
    return start.expand({targets.batch(), anchors}).contiguous().scatter_reduce(0, picture, values, how);
  };
  const auto number = [&](std::int64_t value) { return torch::full({1, 1}, value, row.options()); };
  const Tensor takers = gather(number(0), taken.to(torch::kInt64), "sum");
  const Tensor taker = gather(number(-1), torch::where(taken, row, number(-1)), "amax");
  const Tensor largest = gather(torch::zeros({1, 1}, all.overlap.options()), all.overlap, "amax");  // [B, A]
  const Tensor is_largest =
      torch::logical_and(all.is_candidate, all.overlap == largest.index_select(0, targets.images));
  const Tensor first = gather(number(boxes), torch::where(is_largest, row, number(boxes)), "amin");
  return torch::where(takers > 1, first, taker);
}

}  // namespace

DenseAssignment assign_task_aligned(const DensePredictions& predictions, const BatchTargets& targets,
                                    const Tensor& boxes_xyxy, const AssignmentOptions& options) {
  const torch::NoGradGuard no_grad;
  const std::int64_t anchors = predictions.points.size(0), boxes = boxes_xyxy.size(0);
  check_shape(predictions.logits, {targets.batch(), anchors, -1}, "logits");
  check_shape(predictions.boxes_xyxy, {targets.batch(), anchors, 4}, "predicted boxes");
  check_shape(boxes_xyxy, {targets.labels.size(0), 4}, "target boxes");
  DenseAssignment found;
  if (boxes == 0) {
    found.anchors = found.targets = torch::empty({0}, targets.labels.options());
    found.scores = torch::empty({0}, boxes_xyxy.options());
    return found;
  }
  const Alignment all = align(predictions, targets, boxes_xyxy, options);
  const Tensor owners = find_owners(all, take_best(all.metric, options.topk), targets).flatten();
  found.anchors = (owners >= 0).nonzero().squeeze(1);
  found.targets = owners.index_select(0, found.anchors);
  const Tensor pair = found.targets * anchors + found.anchors.remainder(anchors);  // of N · A
  const Tensor metric = all.metric.flatten().index_select(0, pair);
  const Tensor overlap = all.overlap.flatten().index_select(0, pair);
  const auto largest = [&](const Tensor& values) {  // of each found anchor's box
    return torch::zeros({boxes}, values.options())
        .scatter_reduce(0, found.targets, values, "amax")
        .index_select(0, found.targets);
  };
  found.scores = metric * largest(overlap) / (largest(metric) + kLeastMetric);
  return found;
}

}  // namespace rtdetr
