#include "models/heads/detr/feed_forward.h"

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

SwishFeedForwardImpl::SwishFeedForwardImpl(std::int64_t dim, std::int64_t hidden) : hidden_(hidden) {
  w12_ = register_module("w12", Linear(dim, 2 * hidden));
  w3_ = register_module("w3", Linear(hidden, dim));
}

Tensor SwishFeedForwardImpl::forward(const Tensor& x) {
  const auto halves = within_float16(w12_(x)).split(hidden_, -1);
  return w3_(within_float16(torch::silu(halves[0]) * halves[1]));
}

/// Natively each half has its own product, so that the activation can join its.
OnnxValue SwishFeedForwardImpl::emit_hidden(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxBuilder::Scope scope = graph.within("w12");
  if (graph.native()) {
    const auto weights = w12_->weight.split(hidden_), biases = w12_->bias.split(hidden_);
    const OnnxValue u = onnx::linear(graph, x, weights[0], biases[0]);
    return onnx::mul(graph, emit_activation(graph, u, Activation::kSilu),
                     onnx::linear(graph, x, weights[1], biases[1]));
  }
  const auto halves = onnx::split(graph, emit_within_float16(graph, w12_->emit(graph, x)), {hidden_, hidden_}, -1);
  return emit_within_float16(graph, onnx::mul(graph, emit_activation(graph, halves[0], Activation::kSilu), halves[1]));
}

OnnxValue SwishFeedForwardImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return graph.emit("w3", w3_, emit_hidden(graph, x));
}

void SwishFeedForwardImpl::init_weights(const WeightDraws& draws) {
  draws.xavier_uniform(w12_->weight, "w12.weight");
  draws.xavier_uniform(w3_->weight, "w3.weight");
  WeightDraws::constant(w12_->bias, 0);
  WeightDraws::constant(w3_->bias, 0);
}

}  // namespace rtdetr
