#include "core/tensor/dense_boxes.h"

#include <torch/types.h>

namespace rtdetr {

/// Not a matrix product, whose factors autocast and TF32 would round.
Tensor distances_of(const Tensor& sides, const Tensor& values) { return (sides.softmax(-1) * values).sum(-1); }

Tensor boxes_around(const Tensor& points, const Tensor& distances) {
  const std::vector<Tensor> reach = distances.split(2, -1);
  return torch::cat({points - reach[0], points + reach[1]}, -1);
}

Tensor distances_to(const Tensor& points, const Tensor& boxes_xyxy) {
  const std::vector<Tensor> corner = boxes_xyxy.split(2, -1);
  return torch::cat({points - corner[0], corner[1] - points}, -1);
}

}  // namespace rtdetr
