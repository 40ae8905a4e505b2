#include "models/heads/detr/decoder_layer.h"

#include <torch/torch.h>

#include "core/ops/autocast.h"

namespace rtdetr {

DecoderLayerImpl::DecoderLayerImpl(DecoderLayerOptions options) : options_(std::move(options)) {
  const auto dim = options_.attention.dim;
  self_attn_ = register_module("self_attn", SelfAttention(dim, options_.attention.heads));
  norm1_ = register_module("norm1", LayerNorm(dim));
  cross_attn_ = register_module("cross_attn", DeformableAttention(options_.attention));
  norm2_ = register_module("norm2", LayerNorm(dim));
  linear1_ = register_module("linear1", Linear(dim, options_.ffn_dim));
  linear2_ = register_module("linear2", Linear(options_.ffn_dim, dim));
  norm3_ = register_module("norm3", LayerNorm(dim));
}

void DecoderLayerImpl::init_weights(const WeightDraws& draws) {
  if (!options_.xavier_ffn) return;
  draws.xavier_uniform(linear1_->weight, "linear1.weight");
  draws.xavier_uniform(linear2_->weight, "linear2.weight");
}

torch::Tensor DecoderLayerImpl::forward(torch::Tensor content, const torch::Tensor& position,
                                        const torch::Tensor& reference, const torch::Tensor& memory,
                                        const std::vector<LevelShape>& levels, const torch::Tensor& mask) {
  content = norm1_(residual(content, self_attn_(content + position, content, mask)));
  content = norm2_(residual(content, cross_attn_(content + position, reference, memory, levels)));
  const bool relu = options_.activation == Activation::kRelu;
  const torch::Tensor hidden = linear1_->forward(content, relu);
  content = residual(content, linear2_(relu ? hidden : activate(within_float16(hidden), options_.activation)));
  if (options_.clamp_output) content = content.clamp(-kFloat16Max, kFloat16Max);
  return norm3_(content);
}

}  // namespace rtdetr
