#pragma once

#include <string>

#include <torch/nn/module.h>

#include "models/layers/basic.h"

/// The norms of a decoder's layers.
namespace rtdetr {

/// scale · x / √(mean(x²) + 1e-6) over the last dimension, the mean in float32 under autocast (arXiv 1910.07467). Key
/// `scale` [size].
class RmsNormImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit RmsNormImpl(std::int64_t size);
  Tensor forward(const Tensor& x);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override;

  Tensor scale;

 private:
  static constexpr double kEps = 1e-6;
};
TORCH_MODULE(RmsNorm);

enum class TokenNormKind { kLayer, kRms };

/// Either of the two, registered under its parent by a name.
class TokenNorm {
 public:
  TokenNorm() = default;
  TokenNorm(torch::nn::Module& parent, std::string name, std::int64_t size, TokenNormKind kind);
  Tensor operator()(const Tensor& x) { return layer_ ? layer_(x) : rms_(x); }
  /// Named below the name.
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;

 private:
  std::string name_;
  LayerNorm layer_{nullptr};
  RmsNorm rms_{nullptr};
};

}  // namespace rtdetr
