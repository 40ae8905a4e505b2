#pragma once

#include <cstdint>

#include "core/tensor/detection.h"

/// Boxes of detectors that predict at every cell of their maps (YOLOv8; arXiv 2006.04388 §3). Each cell's centre is an
/// anchor point, and the box says how far its four sides lie from it, in cells: each distance is the mean of a
/// distribution over 0, 1, …, of whose logits the loss knows. Sides in the order left, top, right, bottom; letters
/// besides those of detection.h: A anchors of all maps, finest map first, row by row; R bins.
namespace rtdetr {

/// @param sides   [..., 4, R] logits
/// @param values  [R] what the bins stand for, of the type of `sides`
/// @return        [..., 4] distances in cells, not rounded under autocast
Tensor distances_of(const Tensor& sides, const Tensor& values);

/// @param points     [..., 2] x, y in cells
/// @param distances  [..., 4] in cells
/// @return           [..., 4] xyxy in cells
Tensor boxes_around(const Tensor& points, const Tensor& distances);

/// The other way: the sides of a box as seen from a point, negative where it lies outside.
/// @param boxes_xyxy  [..., 4] in cells
Tensor distances_to(const Tensor& points, const Tensor& boxes_xyxy);

/// Which anchors learn which boxes (losses/task_aligned_assigner.h).
struct AssignmentOptions {
  std::int64_t topk = 10;  ///< anchors that a box may take
  double score_power = 0.5, overlap_power = 6;
  double least_side = 16;  ///< pixels: smaller boxes look for anchors as if they were that large; 0 = as they are
};

/// Where a head predicts, of one size of input.
struct DenseGrid {
  Tensor points;   ///< [A, 2] x, y of the cells' centres, in cells of their own map
  Tensor sizes;    ///< [A, 2] width and height of that map
  Tensor strides;  ///< [A, 1] pixels of a cell
};

/// What such a head hands its criterion besides predictions.
struct DenseExtras : HeadExtras {
  AssignmentOptions assignment;
  DenseGrid grid;
  Tensor sides;      ///< [B, A, 4, R] logits
  Tensor distances;  ///< [B, A, 4] their means, in cells
};

}  // namespace rtdetr
