#pragma once

#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/heads/detr/feed_forward.h"
#include "models/heads/detr/gateway.h"
#include "models/layers/attention.h"
#include "models/layers/basic.h"
#include "models/layers/deformable_attention.h"
#include "models/layers/token_norm.h"

namespace rtdetr {

struct DecoderLayerOptions {
  DeformableAttentionOptions attention;  ///< dim and heads also serve the self-attention
  std::int64_t ffn_dim = 1024;
  Activation activation = Activation::kRelu;  ///< of the feed-forward part, unless `swish`
  bool swish = false;  ///< a SwishFeedForward (DEIMv2) of half `ffn_dim` instead of linear1 and linear2
  TokenNormKind norm = TokenNormKind::kLayer;
  bool gate = false;              ///< a Gateway (D-FINE) instead of residual and norm2 behind the cross-attention
  bool clamp_output = false;      ///< v1: ±65504 before the last norm, float16's range
  bool xavier_ffn = false;        ///< v2's initial weights of the feed-forward part
  bool xavier_output = false;     ///< and those of the self-attention's last projection (DINO)
  bool cross_norm_first = false;  ///< norm1 is the cross-attention's, norm2 the self-attention's (DINO's keys)
};

/// One decoder layer, post-norm: self-attention among queries, deformable cross-attention into the maps, feed-forward.
class DecoderLayerImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit DecoderLayerImpl(DecoderLayerOptions options);

  /// @param content    [B, N, D]
  /// @param position   [B, N, D] embedding of `reference`
  /// @param reference  [B, N, 4] cxcywh, fraction of image; or [B, N, L, 4], see DeformableAttention
  /// @param memory     [B, S, D]
  /// @param mask       of the self-attention (models/layers/attention.h), or undefined
  /// @param hidden     of the cross-attention, see DeformableAttention
  /// @return           [B, N, D]
  torch::Tensor forward(torch::Tensor content, const torch::Tensor& position, const torch::Tensor& reference,
                        const torch::Tensor& memory, const std::vector<LevelShape>& levels, const torch::Tensor& mask,
                        const torch::Tensor& hidden = {});

  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& content, const OnnxValue& position, const OnnxValue& reference,
                 const OnnxValue& memory, const OnnxSampling& sampling) const;

  void init_weights(const WeightDraws& draws) override;

  const DeformableAttentionOptions& sampling_options() const { return options_.attention; }

 private:
  torch::Tensor feed_forward(const torch::Tensor& content);
  OnnxValue emit_feed_forward(OnnxBuilder& graph, const OnnxValue& content) const;

  DecoderLayerOptions options_;
  SelfAttention self_attn_{nullptr};
  DeformableAttention cross_attn_{nullptr};
  Linear linear1_{nullptr}, linear2_{nullptr};
  SwishFeedForward swish_ffn_{nullptr};  ///< in their place
  TokenNorm norm1_, norm2_, norm3_;      ///< in the order in which they are computed
  Gateway gateway_{nullptr};             ///< in norm2's place
};
TORCH_MODULE(DecoderLayer);

}  // namespace rtdetr
