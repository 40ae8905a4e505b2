#pragma once

#include <torch/nn/module.h>

#include "models/layers/basic.h"

namespace rtdetr {

/// w3(silu(u) · v), [u | v] = w12(x): a gate in the place of an activation (SwiGLU, arXiv 2002.05202). Keys `w12`,
/// `w3`.
class SwishFeedForwardImpl : public torch::nn::Module, public InitializesWeights {
 public:
  /// @param hidden  width of u and of v
  SwishFeedForwardImpl(std::int64_t dim, std::int64_t hidden);
  Tensor forward(const Tensor& x);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override;

 private:
  OnnxValue emit_hidden(OnnxBuilder& graph, const OnnxValue& x) const;

  std::int64_t hidden_;
  Linear w12_{nullptr}, w3_{nullptr};
};
TORCH_MODULE(SwishFeedForward);

}  // namespace rtdetr
