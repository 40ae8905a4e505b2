#pragma once

#include <optional>

#include <torch/nn/module.h>

#include "models/layers/basic.h"

namespace rtdetr {

/// Multi-head self-attention over [B, N, D], with the keys of PyTorch's MultiheadAttention (`in_proj_weight`,
/// `in_proj_bias`, `out_proj.*`). Queries and keys come from one input, values from another: in DETR the former carry
/// the positions, the latter do not.
class SelfAttentionImpl : public torch::nn::Module, public InitializesWeights {
 public:
  /// @throws InternalError  if `dim` is no multiple of `heads`
  SelfAttentionImpl(std::int64_t dim, std::int64_t heads);

  /// @param query_key  [B, N, D]
  /// @param value      [B, N, D]
  /// @param mask       [M, N] added to the logits (0 or -inf) of the first M tokens, or undefined. The others see one
  ///                   another, all of them, and none of the first
  /// @return           [B, N, D]
  Tensor forward(const Tensor& query_key, const Tensor& value, const Tensor& mask = {});
  /// Without a mask. The scale is part of the queries' weights.
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& query_key, const OnnxValue& value) const;

  /// Projections Xavier-uniform over the packed matrix, biases 0.
  void init_weights(const WeightDraws& draws) override;

  Tensor in_proj_weight, in_proj_bias;
  Linear out_proj{nullptr};

 private:
  Tensor split_heads(const Tensor& x) const;
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& bias) const;

  std::int64_t dim_, heads_;
};
TORCH_MODULE(SelfAttention);

}  // namespace rtdetr
