#include "losses/complete_iou.h"

#include <torch/types.h>

#include <numbers>

namespace rtdetr {

Tensor complete_iou(const Tensor& a_xyxy, const Tensor& b_xyxy) {
  constexpr double kEpsilon = 1e-7;
  const std::vector<Tensor> a = a_xyxy.unbind(-1), b = b_xyxy.unbind(-1);
  const Tensor width_a = a[2] - a[0], height_a = a[3] - a[1] + kEpsilon;
  const Tensor width_b = b[2] - b[0], height_b = b[3] - b[1] + kEpsilon;
  const auto common = [&](int low, int high) {
    return (torch::minimum(a[high], b[high]) - torch::maximum(a[low], b[low])).clamp_min(0);
  };
  const auto hull = [&](int low, int high) {
    return torch::maximum(a[high], b[high]) - torch::minimum(a[low], b[low]);
  };
  const auto apart = [&](int low, int high) { return (b[low] + b[high] - a[low] - a[high]) / 2; };
  const Tensor intersection = common(0, 2) * common(1, 3);
  const Tensor iou = intersection / (width_a * height_a + width_b * height_b - intersection + kEpsilon);
  const Tensor diagonal = hull(0, 2).square() + hull(1, 3).square() + kEpsilon;
  const Tensor distance = apart(0, 2).square() + apart(1, 3).square();
  constexpr double kScale = 4 / (std::numbers::pi * std::numbers::pi);
  const Tensor shape = kScale * (torch::atan(width_b / height_b) - torch::atan(width_a / height_a)).square();
  const Tensor weight = (shape / (shape - iou + (1 + kEpsilon))).detach();
  return iou - distance / diagonal - weight * shape;
}

}  // namespace rtdetr
