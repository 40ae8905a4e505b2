#include "models/heads/detr/encoder_layer.h"

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

EncoderLayerImpl::EncoderLayerImpl(EncoderLayerOptions options) : options_(std::move(options)) {
  const auto dim = options_.attention.dim;
  self_attn_ = register_module("self_attn", DeformableAttention(options_.attention));
  norm1_ = register_module("norm1", LayerNorm(dim));
  linear1_ = register_module("linear1", Linear(dim, options_.ffn_dim));
  linear2_ = register_module("linear2", Linear(options_.ffn_dim, dim));
  norm2_ = register_module("norm2", LayerNorm(dim));
}

void EncoderLayerImpl::init_weights(const WeightDraws& draws) {
  draws.xavier_uniform(linear1_->weight, "linear1.weight");
  draws.xavier_uniform(linear2_->weight, "linear2.weight");
}

torch::Tensor EncoderLayerImpl::forward(const torch::Tensor& tokens, const torch::Tensor& position,
                                        const torch::Tensor& points, const std::vector<LevelShape>& levels,
                                        const torch::Tensor& hidden) {
  const torch::Tensor seen = self_attn_(tokens + position, points, tokens, levels, hidden);
  const torch::Tensor told = norm1_(residual(tokens, seen));
  const bool relu = options_.activation == Activation::kRelu;
  torch::Tensor inner = linear1_->forward(told, relu);
  if (!relu) inner = activate(within_float16(inner), options_.activation);
  return norm2_(residual(told, linear2_(inner)));
}

OnnxValue EncoderLayerImpl::emit(OnnxBuilder& graph, const OnnxValue& tokens, const OnnxValue& position,
                                 const OnnxValue& points, const OnnxSampling& sampling) const {
  const OnnxValue placed = onnx::add(graph, tokens, position);
  const OnnxValue seen = graph.emit("self_attn", self_attn_, placed, points, tokens, sampling);
  const OnnxValue told = graph.emit("norm1", norm1_, emit_residual(graph, tokens, seen));
  const OnnxValue inner = emit_within_float16(graph, graph.emit("linear1", linear1_, told));
  const OnnxValue answer = graph.emit("linear2", linear2_, emit_activation(graph, inner, options_.activation));
  return graph.emit("norm2", norm2_, emit_residual(graph, told, answer));
}

}  // namespace rtdetr
