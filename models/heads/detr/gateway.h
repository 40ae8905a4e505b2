#pragma once

#include <torch/nn/module.h>

#include "models/layers/basic.h"
#include "models/layers/token_norm.h"

namespace rtdetr {

/// How much of itself a query keeps, and how much it takes of what it has seen, channel by channel (D-FINE's "target
/// gating"): norm(g1 · x + g2 · seen), [g1, g2] = sigmoid(gate [x, seen]). Keys gate, norm.
class GatewayImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit GatewayImpl(std::int64_t dim, TokenNormKind norm = TokenNormKind::kLayer);
  /// @param x, seen  [B, N, D]
  Tensor forward(const Tensor& x, const Tensor& seen);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& seen) const;
  void init_weights(const WeightDraws& draws) override;  ///< both gates half open

 private:
  OnnxValue emit_gates(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& seen) const;

  std::int64_t dim_;
  Linear gate_{nullptr};
  TokenNorm norm_;
};
TORCH_MODULE(Gateway);

}  // namespace rtdetr
