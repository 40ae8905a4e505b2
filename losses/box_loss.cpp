#include "losses/box_loss.h"

#include <torch/torch.h>

#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"

namespace rtdetr {

BoxLoss box_loss(const Tensor& predicted, const Tensor& wanted, const CriterionOptions& options) {
  check_shape(predicted, {-1, 4}, "predicted boxes");
  check_shape(wanted, {predicted.size(0), 4}, "target boxes");
  const IouPair overlap = paired_iou(cxcywh_to_xyxy(predicted), cxcywh_to_xyxy(wanted), options.iou_epsilon);
  BoxLoss loss{(predicted - wanted).abs().sum(-1), 1 - overlap.giou, overlap.iou.detach()};
  if (options.box_weight != CriterionOptions::BoxWeight::kNone) {
    const bool by_iou = options.box_weight == CriterionOptions::BoxWeight::kIou;
    loss.quality = (by_iou ? overlap.iou : overlap.giou).detach();
    loss.giou = loss.giou * loss.quality;
  }
  return loss;
}

}  // namespace rtdetr
