#include "core/tensor/box_ops.h"

#include <torch/types.h>

namespace rtdetr {
namespace {

/// Areas below this count as this, so that two boxes without area have IoU 0 instead of 0/0. Far below any box that
/// can be seen (one pixel of a 10^6 x 10^6 picture is 1e-12), and its square is still a normal float32.
constexpr double kSmallestArea = 1e-16;

/// [..., 2] → [...]. Unbound, not selected: the gradients of the two then come back in one operation.
Tensor product_of_sides(const Tensor& size) {
  const std::vector<Tensor> side = size.unbind(-1);
  return side[0] * side[1];
}

Tensor area(const Tensor& low, const Tensor& high) { return product_of_sides(high - low); }

/// `low`/`high` are the corners [..., 2] of two sets of boxes whose leading dimensions broadcast.
IouPair iou_of_corners(const Tensor& low_a, const Tensor& high_a, const Tensor& low_b, const Tensor& high_b,
                       double epsilon) {
  const Tensor overlap = (torch::minimum(high_a, high_b) - torch::maximum(low_a, low_b)).clamp_min(0);
  const Tensor intersection = product_of_sides(overlap);
  Tensor united = area(low_a, high_a) + area(low_b, high_b) - intersection;
  Tensor hull = area(torch::minimum(low_a, low_b), torch::maximum(high_a, high_b));
  if (epsilon > 0) {
    united = united + epsilon;
    hull = hull + epsilon;
  }
  united = united.clamp_min(kSmallestArea);
  hull = hull.clamp_min(kSmallestArea);
  const Tensor iou = intersection / united;
  return {iou, iou - (hull - united) / hull};
}

}  // namespace

Tensor cxcywh_to_xyxy(const Tensor& boxes_cxcywh) {
  const std::vector<Tensor> box = boxes_cxcywh.split(2, -1);
  const Tensor half = box[1] * 0.5;
  return torch::cat({box[0] - half, box[0] + half}, -1);
}

Tensor xyxy_to_cxcywh(const Tensor& boxes_xyxy) {
  const Tensor low = boxes_xyxy.slice(-1, 0, 2);
  const Tensor high = boxes_xyxy.slice(-1, 2, 4);
  return torch::cat({(low + high) * 0.5, high - low}, -1);
}

IouPair paired_iou(const Tensor& a_xyxy, const Tensor& b_xyxy, double epsilon) {
  const std::vector<Tensor> a = a_xyxy.split(2, -1), b = b_xyxy.split(2, -1);
  return iou_of_corners(a[0], a[1], b[0], b[1], epsilon);
}

Tensor inverse_sigmoid(const Tensor& x, double epsilon) {
  const Tensor inside = x.clamp(0, 1);
  return torch::log(inside.clamp_min(epsilon) / (1 - inside).clamp_min(epsilon));
}

}  // namespace rtdetr
