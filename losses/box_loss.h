#pragma once

#include "core/tensor/detection.h"
#include "losses/options.h"

namespace rtdetr {

/// The corners by which boxes overlap. @param boxes_cxcywh  [..., 4]  @return  [..., 4] xyxy
Tensor overlap_corners(const Tensor& boxes_cxcywh, const CriterionOptions& options);

/// Box losses of matched pairs, pair by pair.
struct BoxLoss {
  Tensor l1;       ///< [M] sum of |difference| over cx, cy, w, h
  Tensor giou;     ///< [M] 1 − GIoU, times the pair's weight if options.box_weight says so
  Tensor quality;  ///< [M] the pair's IoU, or what box_weight puts in its place; no gradient
};

/// @param predicted, wanted  [M, 4] cxcywh, fraction of the image; M may be 0
BoxLoss box_loss(const Tensor& predicted, const Tensor& wanted, const CriterionOptions& options);

}  // namespace rtdetr
