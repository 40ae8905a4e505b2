#include "models/heads/detr/decoder_layer.h"

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

DecoderLayerImpl::DecoderLayerImpl(DecoderLayerOptions options) : options_(std::move(options)) {
  const auto dim = options_.attention.dim;
  const char* const self_norm = options_.cross_norm_first ? "norm2" : "norm1";
  const char* const cross_norm = options_.cross_norm_first ? "norm1" : "norm2";
  self_attn_ = register_module("self_attn", SelfAttention(dim, options_.attention.heads));
  norm1_ = TokenNorm(*this, self_norm, dim, options_.norm);
  cross_attn_ = register_module("cross_attn", DeformableAttention(options_.attention));
  if (options_.gate)
    gateway_ = register_module("gateway", Gateway(dim, options_.norm));
  else
    norm2_ = TokenNorm(*this, cross_norm, dim, options_.norm);
  if (options_.swish) {
    swish_ffn_ = register_module("swish_ffn", SwishFeedForward(dim, options_.ffn_dim / 2));
  } else {
    linear1_ = register_module("linear1", Linear(dim, options_.ffn_dim));
    linear2_ = register_module("linear2", Linear(options_.ffn_dim, dim));
  }
  norm3_ = TokenNorm(*this, "norm3", dim, options_.norm);
}

void DecoderLayerImpl::init_weights(const WeightDraws& draws) {
  if (options_.xavier_output) draws.xavier_uniform(self_attn_->out_proj->weight, "self_attn.out_proj.weight");
  if (!options_.xavier_ffn || options_.swish) return;
  draws.xavier_uniform(linear1_->weight, "linear1.weight");
  draws.xavier_uniform(linear2_->weight, "linear2.weight");
}

torch::Tensor DecoderLayerImpl::forward(torch::Tensor content, const torch::Tensor& position,
                                        const torch::Tensor& reference, const torch::Tensor& memory,
                                        const std::vector<LevelShape>& levels, const torch::Tensor& mask,
                                        const torch::Tensor& hidden) {
  content = norm1_(residual(content, self_attn_(content + position, content, mask)));
  const torch::Tensor seen = cross_attn_(content + position, reference, memory, levels, hidden);
  content = options_.gate ? gateway_(content, seen) : norm2_(residual(content, seen));
  content = residual(content, feed_forward(content));
  if (options_.clamp_output) content = content.clamp(-kFloat16Max, kFloat16Max);
  return norm3_(content);
}

torch::Tensor DecoderLayerImpl::feed_forward(const torch::Tensor& content) {
  if (options_.swish) return swish_ffn_(content);
  const bool relu = options_.activation == Activation::kRelu;
  const torch::Tensor hidden = linear1_->forward(content, relu);
  return linear2_(relu ? hidden : activate(within_float16(hidden), options_.activation));
}

OnnxValue DecoderLayerImpl::emit(OnnxBuilder& graph, const OnnxValue& content, const OnnxValue& position,
                                 const OnnxValue& reference, const OnnxValue& memory,
                                 const OnnxSampling& sampling) const {
  const OnnxValue placed = onnx::add(graph, content, position);
  const OnnxValue mixed = graph.emit("self_attn", self_attn_, placed, content);
  const OnnxValue told = norm1_.emit(graph, emit_residual(graph, content, mixed));
  const OnnxValue seen =
      graph.emit("cross_attn", cross_attn_, onnx::add(graph, told, position), reference, memory, sampling);
  const OnnxValue informed = options_.gate ? graph.emit("gateway", gateway_, told, seen)
                                           : norm2_.emit(graph, emit_residual(graph, told, seen));
  // clamp_output asks for no more than this: float32's numbers stay far below the limit.
  const OnnxValue result = emit_residual(graph, informed, emit_feed_forward(graph, informed));
  return norm3_.emit(graph, result);
}

OnnxValue DecoderLayerImpl::emit_feed_forward(OnnxBuilder& graph, const OnnxValue& content) const {
  if (options_.swish) return graph.emit("swish_ffn", swish_ffn_, content);
  const OnnxValue hidden = emit_within_float16(graph, graph.emit("linear1", linear1_, content));
  return graph.emit("linear2", linear2_, emit_activation(graph, hidden, options_.activation));
}

}  // namespace rtdetr
