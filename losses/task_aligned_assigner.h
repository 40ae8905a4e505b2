#pragma once

#include "core/tensor/dense_boxes.h"
#include "losses/batch_targets.h"

namespace rtdetr {

/// What an assignment looks at; none of it gets a gradient. Boxes in pixels.
struct DensePredictions {
  Tensor logits;      ///< [B, A, C]
  Tensor boxes_xyxy;  ///< [B, A, 4]
  Tensor points;      ///< [A, 2] x, y of the anchors
};

/// The anchors that learn a box, and how sure they are to become.
struct DenseAssignment {
  Tensor anchors;  ///< [F] int64 rows of [B · A], ascending
  Tensor targets;  ///< [F] int64 rows of the batch's targets
  Tensor scores;   ///< [F] target score of the box's class, in (0, 1]
};

/// Task-aligned assignment (TOOD, arXiv 2108.07755 §3.2.1, as Ultralytics 8.4 has it): each box takes the anchors
/// within it that do both tasks best, by score^a · overlap^b with CIoU for overlap; one that several boxes take goes to
/// the one that it overlaps most, of all whose candidate it is, of equal ones to the first. The best anchor of a box
/// learns the box's largest overlap as its score, the others in proportion.
///
/// Anchors without any score or overlap are not taken, where the reference fills a box's number up with some that then
/// learn nothing.
///
/// @param targets  of the float type and on the device of the boxes; boxes_xyxy in pixels
/// @param boxes_xyxy  [N, 4] of the targets, in pixels
/// @note  the host waits for a device (the numbers of candidates and of what is found are known there)
DenseAssignment assign_task_aligned(const DensePredictions& predictions, const BatchTargets& targets,
                                    const Tensor& boxes_xyxy, const AssignmentOptions& options);

}  // namespace rtdetr
