#pragma once

#include <vector>

#include <torch/types.h>

#include "core/tensor/detection.h"

namespace rtdetr::test {

/// Draws of one seed, in float64 and then cast, so that every type sees the same numbers.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : generator_(torch::make_generator<torch::CPUGeneratorImpl>(seed)) {}

  Tensor uniform(torch::IntArrayRef shape) { return torch::rand(shape, generator_, torch::kFloat64); }
  Tensor logits(torch::IntArrayRef shape) { return uniform(shape) * 8 - 6; }
  /// [..., 4] cxcywh with area
  Tensor boxes(std::vector<std::int64_t> shape) {
    shape.push_back(4);
    const Tensor u = uniform(shape);
    return torch::cat({u.slice(-1, 0, 2) * 0.8 + 0.1, u.slice(-1, 2, 4) * 0.4 + 0.02}, -1);
  }
  Target target(std::int64_t boxes_count, std::int64_t classes) {
    return {(uniform({boxes_count}) * classes).to(torch::kInt64), boxes({boxes_count})};
  }
  Prediction prediction(std::int64_t batch, std::int64_t queries, std::int64_t classes) {
    return {logits({batch, queries, classes}), boxes({batch, queries})};
  }

 private:
  torch::Generator generator_;
};

inline double difference(const Tensor& a, const Tensor& b) {
  return a.numel() == 0 ? 0.0 : (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

}  // namespace rtdetr::test
