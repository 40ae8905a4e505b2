#pragma once

#include "losses/criterion.h"
#include "losses/task_aligned_assigner.h"

namespace rtdetr {

/// Focal loss of distributions (arXiv 2006.04388 §3.2, "DFL"): cross-entropy towards the two bins between which a
/// distance lies, weighed by how close it is to each.
/// @param sides      [F, 4, R] logits
/// @param distances  [F, 4] in cells; beyond the last bin they count as just short of it
/// @return           [F] means over the sides
Tensor distance_loss(const Tensor& sides, const Tensor& distances);

/// YOLOv8's loss (docs/reference/official_behaviour.md#yolov8s-loss): what compute_losses does under
/// CriterionOptions::dense. Terms loss_class (BCE over all anchors and classes), loss_bbox (1 - CIoU) and loss_dfl of
/// the assigned anchors, weighed by their target scores and divided by the sum of these, at least 1, of the pictures
/// that are normalised together. The total is their sum times the pictures of the batch, which says how long a step may
/// be where gradients are clipped.
/// @param assigned  receives what was assigned, if not null
CriterionResult compute_dense_losses(const ModelOutput& output, std::span<const Target> targets, const WholeStep& whole,
                                     const DenseOptions& options = {}, DenseAssignment* assigned = nullptr);

}  // namespace rtdetr
