#pragma once

#include "core/base/cpp20.h"

#include <torch/types.h>

namespace rtdetr {

using torch::Tensor;

/// @param boxes_cxcywh  [..., 4] any unit
/// @return              [..., 4] xyxy in the same unit; x0 > x1 if a width was negative
Tensor cxcywh_to_xyxy(const Tensor& boxes_cxcywh);
/// @param boxes_xyxy  [..., 4] any unit
/// @return            [..., 4] cxcywh in the same unit
Tensor xyxy_to_cxcywh(const Tensor& boxes_xyxy);

struct IouPair {
  Tensor iou;
  Tensor giou;
};
/// IoU and generalised IoU (Rezatofighi et al. 2019) of row i of `a` with row i of `b`; no epsilon, as the official
/// code; `epsilon` > 0 gives Ultralytics' form (added to union and hull).
/// @param a_xyxy, b_xyxy  [N, 4]; or of shapes that broadcast: [N, 1, 4] and [1, M, 4] give all pairs
/// @return                [N] each; differentiable
IouPair paired_iou(const Tensor& a_xyxy, const Tensor& b_xyxy, double epsilon = 0);

constexpr double kLeastShare = 1e-5;  ///< of inverse_sigmoid, in the references' decoders

/// log(x / (1-x)) of x clamped to [0, 1], numerator and denominator not below `epsilon`.
Tensor inverse_sigmoid(const Tensor& x, double epsilon = kLeastShare);

}  // namespace rtdetr
