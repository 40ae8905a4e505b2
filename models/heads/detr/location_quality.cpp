#include "models/heads/detr/location_quality.h"

#include <torch/types.h>

#include "models/heads/detr/box_refinement.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kLargest = 4;                 // shares of a side that are looked at, besides their mean
constexpr std::int64_t kFacts = 4 * (kLargest + 1);  // of a box
constexpr std::int64_t kHidden = 64;

}  // namespace

LocationQualityImpl::LocationQualityImpl(Activation activation) {
  reg_conf_ = register_module("reg_conf", Mlp(kFacts, kHidden, 1, 2, activation));
}

Tensor LocationQualityImpl::forward(const Tensor& shares, torch::ScalarType type) {
  const Tensor largest = std::get<0>(shares.topk(kLargest, -1));  // [B, N, 4, 4], sorted
  const Tensor facts = torch::cat({largest, largest.mean(-1, /*keepdim=*/true)}, -1).flatten(-2);
  return reg_conf_(facts.to(type)).to(type);
}

OnnxValue LocationQualityImpl::emit(OnnxBuilder& graph, const OnnxValue& shares) const {
  const OnnxValue largest = onnx::top_k(graph, shares, kLargest).values;  // [B, 4 N, 4]
  const torch::Tensor and_mean =
      torch::cat({torch::eye(kLargest, torch::kDouble), torch::full({kLargest, 1}, 1.0 / kLargest, torch::kDouble)}, 1);
  const OnnxValue sides = onnx::matmul(graph, largest, graph.precise_constant("and_mean", and_mean));
  const OnnxValue facts = onnx::reshape(graph, sides, {0, -1, kFacts});
  return graph.emit("reg_conf", reg_conf_, onnx::cast(graph, facts, graph.float_type()));
}

void LocationQualityImpl::init_weights(const WeightDraws&) { start_at_zero(reg_conf_->layers.back()); }

}  // namespace rtdetr
