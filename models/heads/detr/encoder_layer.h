#pragma once

#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/layers/basic.h"
#include "models/layers/deformable_attention.h"

namespace rtdetr {

struct EncoderLayerOptions {
  DeformableAttentionOptions attention;
  std::int64_t ffn_dim = 2048;
  Activation activation = Activation::kRelu;  ///< of the feed-forward part
};

/// One layer of a deformable encoder (arXiv 2010.04159 §4.1), post-norm: every token of every level looks at a few
/// points of all levels around its own place, then a feed-forward part. Keys self_attn, norm1, linear1, linear2, norm2.
class EncoderLayerImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit EncoderLayerImpl(EncoderLayerOptions options);

  /// @param tokens    [B, S, D]
  /// @param position  [1 or B, S, D], added where tokens ask, not where they answer
  /// @param points    [1 or B, S, L, 2] as token_points
  /// @param hidden    [B, S] bool: tokens that are padding and say nothing; undefined: none
  /// @return          [B, S, D]
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& position, const torch::Tensor& points,
                        const std::vector<LevelShape>& levels, const torch::Tensor& hidden);

  /// @param points  [1, S, 2], the same for all levels
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& tokens, const OnnxValue& position, const OnnxValue& points,
                 const OnnxSampling& sampling) const;

  /// The feed-forward part Xavier-uniform.
  void init_weights(const WeightDraws& draws) override;

 private:
  EncoderLayerOptions options_;
  DeformableAttention self_attn_{nullptr};
  Linear linear1_{nullptr}, linear2_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
};
TORCH_MODULE(EncoderLayer);

}  // namespace rtdetr
