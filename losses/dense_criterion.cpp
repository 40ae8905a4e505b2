#include "losses/dense_criterion.h"

#include <ATen/record_function.h>
#include <torch/types.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "losses/complete_iou.h"

namespace rtdetr {
namespace {

/// A batch's predictions with their targets, in the float type of the loss.
struct DenseBatch {
  DenseBatch(const ModelOutput& output, std::span<const Target> truth)
      : extras(extras_of(output)),
        logits(output.layers.back().logits.to(extras.distances.scalar_type())),
        targets(collect_targets(truth, extras.distances, logits.size(2))),
        scale((extras.grid.sizes * extras.grid.strides).slice(0, 0, 1)),
        boxes(cxcywh_to_xyxy(targets.boxes_cxcywh * scale.repeat({1, 2}))) {}

  static const DenseExtras& extras_of(const ModelOutput& output) {
    const auto* extras = dynamic_cast<const DenseExtras*>(output.extras.get());
    RTDETR_CHECK(extras, "a dense loss of a head that does not predict at every cell");
    return *extras;
  }

  DenseAssignment assign() const {
    const Tensor points = extras.grid.points * extras.grid.strides;
    const Tensor predicted = boxes_around(extras.grid.points, extras.distances.detach()) * extras.grid.strides;
    return assign_task_aligned({logits.detach(), predicted, points}, targets, boxes, extras.assignment);
  }

  const DenseExtras& extras;
  Tensor logits;  ///< [B, A, C]
  BatchTargets targets;
  Tensor scale;  ///< [1, 2] width and height of the input in pixels
  Tensor boxes;  ///< [N, 4] of the targets: xyxy, pixels
};

/// Of the boxes that anchors were given, in cells of the anchors.
struct BoxTerms {
  Tensor overlap, distances;  ///< sums, weighed by the target scores
};

BoxTerms box_terms(const DenseBatch& batch, const DenseAssignment& found) {
  const DenseGrid& grid = batch.extras.grid;
  const Tensor anchor = found.anchors.remainder(grid.points.size(0));
  const Tensor points = grid.points.index_select(0, anchor);
  const Tensor wanted = batch.boxes.index_select(0, found.targets) / grid.strides.index_select(0, anchor);
  const Tensor distances = batch.extras.distances.flatten(0, 1).index_select(0, found.anchors);
  const Tensor overlap = complete_iou(boxes_around(points, distances), wanted);
  const Tensor sides = batch.extras.sides.flatten(0, 1).index_select(0, found.anchors);
  const Tensor of_sides = distance_loss(sides, distances_to(points, wanted));
  return {((1 - overlap) * found.scores).sum(), (of_sides * found.scores).sum()};
}

/// Sum over all anchors and classes of BCE towards 0, and towards their score for the assigned ones.
Tensor class_term(const DenseBatch& batch, const DenseAssignment& found) {
  constexpr double kLinear = 50;  // from here on softplus is its argument, in float64, too
  const std::int64_t classes = batch.logits.size(2);
  const Tensor place = found.anchors * classes + batch.targets.labels.index_select(0, found.targets);
  const Tensor assigned = batch.logits.reshape({-1}).index_select(0, place);
  return torch::softplus(batch.logits, 1, kLinear).sum() - (assigned * found.scores).sum();
}

/// What sums are divided by; a process' share of it, where gradients are averaged over processes.
Tensor divisor_of(const DenseAssignment& found, const WholeStep& whole) {
  const Tensor own = found.scores.sum();
  if (!whole.joint_pairs) return own.clamp_min(1);
  const double share = whole.joint_pairs(own.item<double>());
  return torch::full_like(own, std::max(share, 1 / whole.processes));
}

}  // namespace

Tensor distance_loss(const Tensor& sides, const Tensor& distances) {
  constexpr double kShort = 0.01;  // of the last bin
  const std::int64_t last = sides.size(-1) - 1;
  const Tensor inside = distances.clamp(0, static_cast<double>(last) - kShort);
  const Tensor below = inside.floor(), upper_share = inside - below;
  const Tensor bin = below.to(torch::kInt64).unsqueeze(-1);  // [F, 4, 1]
  const Tensor shares = sides.log_softmax(-1);
  const Tensor lower = shares.gather(-1, bin).squeeze(-1), upper = shares.gather(-1, bin + 1).squeeze(-1);
  return -(lower * (1 - upper_share) + upper * upper_share).mean(-1);
}

CriterionResult compute_dense_losses(const ModelOutput& output, std::span<const Target> targets, const WholeStep& whole,
                                     const DenseOptions& options, DenseAssignment* assigned) {
  const DenseBatch batch(output, targets);
  const DenseAssignment found = [&] {
    RECORD_USER_SCOPE("matching");
    return batch.assign();
  }();
  const BoxTerms boxes = box_terms(batch, found);
  const Tensor sums = torch::stack({class_term(batch, found) * options.loss_class, boxes.overlap * options.loss_bbox,
                                    boxes.distances * options.loss_dfl});
  CriterionResult result;
  result.values = sums / divisor_of(found, whole);
  result.total = result.values.sum() * (whole.batch > 0 ? whole.batch : whole.pictures);
  const std::vector<Tensor> values = result.values.unbind();
  result.terms = {{"loss_class", values[0]}, {"loss_bbox", values[1]}, {"loss_dfl", values[2]}};
  if (assigned) *assigned = found;
  return result;
}

}  // namespace rtdetr
