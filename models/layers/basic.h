#pragma once

#include <cstdint>
#include <string>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/ops/linear.h"
#include "core/tensor/detection.h"
#include "models/layers/init.h"
#include "models/onnx/onnx_builder.h"

/// Layers without convolution that several blocks share. They keep PyTorch's parameter names, take memory from
/// `new_weight` and values from the initial-weights walk, so they cost nothing until a model is really built.
namespace rtdetr {

/// kRelu overwrites its input, the others do so only where no gradient is recorded.
enum class Activation { kNone, kRelu, kSilu, kGelu, kLeakyRelu, kHardswish };
/// @param name  as parse_activation_name gives it: "none", "relu", "silu", …
Activation activation_from_name(const std::string& name);
/// The activation of `x`, which the caller gives up: it may be overwritten.
Tensor activate(const Tensor& x, Activation activation);
OnnxValue emit_activation(OnnxBuilder& graph, const OnnxValue& x, Activation activation);
/// As within_float16 and residual (core/ops/autocast.h): in a float16 graph no infinity, in every other one no more
/// nodes.
OnnxValue emit_within_float16(OnnxBuilder& graph, const OnnxValue& x);
OnnxValue emit_residual(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& y);

/// y = x Wᵀ + b. Keys `weight` [out, in], `bias` [out]. Initial values: PyTorch's.
class LinearImpl : public torch::nn::Module, public InitializesWeights {
 public:
  LinearImpl(std::int64_t in, std::int64_t out);
  /// With `relu`, the ReLU of it.
  Tensor forward(const Tensor& x, bool relu = false) { return linear(x, weight, bias, relu); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override;

  Tensor weight, bias;
};
TORCH_MODULE(Linear);

/// Over the last dimension. Keys `weight`, `bias` [size].
///
/// @param eps  added to the variance; vision transformers' is 1e-6
class LayerNormImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit LayerNormImpl(std::int64_t size, double eps = 1e-5);
  Tensor forward(const Tensor& x) { return torch::layer_norm(x, weight.sizes(), weight, bias, eps_); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override;

  Tensor weight, bias;

 private:
  double eps_;
};
TORCH_MODULE(LayerNorm);

}  // namespace rtdetr
