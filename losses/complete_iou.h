#pragma once

#include "core/tensor/detection.h"

namespace rtdetr {

/// IoU less the distance of the centres and the difference in shape (Zheng et al. 2020, "CIoU"), with Ultralytics'
/// epsilons of 1e-7: in heights, union and squared diagonal. The weight of the shape's part is a constant.
/// @param a_xyxy, b_xyxy  [N, 4], or of shapes that broadcast; any unit, of which the epsilons are parts
/// @return                [N], at most 1; differentiable
Tensor complete_iou(const Tensor& a_xyxy, const Tensor& b_xyxy);

}  // namespace rtdetr
