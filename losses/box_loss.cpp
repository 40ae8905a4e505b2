#include "losses/box_loss.h"

#include <torch/types.h>

#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"

namespace rtdetr {

Tensor overlap_corners(const Tensor& boxes_cxcywh, const CriterionOptions& options) {
  if (!options.clamp_sides) return cxcywh_to_xyxy(boxes_cxcywh);
  const std::vector<Tensor> box = boxes_cxcywh.split(2, -1);
  return cxcywh_to_xyxy(torch::cat({box[0], box[1].clamp_min(0)}, -1));
}

BoxLoss box_loss(const Tensor& predicted, const Tensor& wanted, const CriterionOptions& options) {
  check_shape(predicted, {-1, 4}, "predicted boxes");
  check_shape(wanted, {predicted.size(0), 4}, "target boxes");
  const IouPair overlap =
      paired_iou(overlap_corners(predicted, options), overlap_corners(wanted, options), options.iou_epsilon);
  BoxLoss loss{(predicted - wanted).abs().sum(-1), 1 - overlap.giou, overlap.iou.detach()};
  if (options.box_weight != CriterionOptions::BoxWeight::kNone) {
    const bool by_iou = options.box_weight == CriterionOptions::BoxWeight::kIou;
    loss.quality = (by_iou ? overlap.iou : overlap.giou).detach();
    loss.giou = loss.giou * loss.quality;
  }
  return loss;
}

}  // namespace rtdetr
