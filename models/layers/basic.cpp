#include "models/layers/basic.h"

#include <torch/types.h>

#include <map>

#include "core/base/check.h"
#include "core/ops/autocast.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

Activation activation_from_name(const std::string& name) {
  static const std::map<std::string, Activation> kActivations = {{"none", Activation::kNone},
                                                                 {"relu", Activation::kRelu},
                                                                 {"silu", Activation::kSilu},
                                                                 {"gelu", Activation::kGelu},
                                                                 {"leaky_relu", Activation::kLeakyRelu},
                                                                 {"hardswish", Activation::kHardswish}};
  const auto found = kActivations.find(name);
  RTDETR_CHECK(found != kActivations.end(), "no activation is called '" + name + "'");
  return found->second;
}

Tensor activate(const Tensor& x, Activation activation) {
  // Autograd would have to clone the input of an in-place SiLU; ReLU needs only its output.
  const bool overwrite = !(torch::GradMode::is_enabled() && x.requires_grad());
  Tensor target = x;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return torch::relu_(target);
    case Activation::kSilu:
      return overwrite ? torch::silu_(target) : torch::silu(x);
    case Activation::kGelu:
      return torch::gelu(x);
    case Activation::kLeakyRelu:
      return torch::leaky_relu(x, 0.01);
    case Activation::kHardswish:
      return overwrite ? torch::hardswish_(target) : torch::hardswish(x);
  }
  return x;
}

OnnxValue emit_activation(OnnxBuilder& graph, const OnnxValue& x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return onnx::unary(graph, "Relu", x);
    case Activation::kSilu:
      if (graph.native()) return onnx::unary(graph, "Silu", x);
      return onnx::mul(graph, x, onnx::unary(graph, "Sigmoid", x));
    case Activation::kGelu:
      return onnx::gelu(graph, x);
    case Activation::kLeakyRelu:
      return onnx::unary(graph, "LeakyRelu", x, {{"alpha", 0.01F}});
    case Activation::kHardswish:
      return onnx::unary(graph, "HardSwish", x);
  }
  return x;
}

OnnxValue emit_within_float16(OnnxBuilder& graph, const OnnxValue& x) {
  return x.type == OnnxType::kFloat16 ? onnx::clip(graph, x, -kFloat16Max, kFloat16Max) : x;
}

OnnxValue emit_residual(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& y) {
  return emit_within_float16(graph, onnx::add(graph, x, y));
}

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out) {
  weight = register_parameter("weight", new_weight({out, in}));
  bias = register_parameter("bias", new_weight({out}));
}

OnnxValue LinearImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return onnx::linear(graph, x, weight, bias);
}

void LinearImpl::init_weights(const WeightDraws& draws) {
  draws.fan_in_uniform(weight, "weight");
  draws.bias_uniform(bias, weight, "bias");
}

LayerNormImpl::LayerNormImpl(std::int64_t size, double eps) : eps_(eps) {
  weight = register_parameter("weight", new_weight({size}));
  bias = register_parameter("bias", new_weight({size}));
}

OnnxValue LayerNormImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return onnx::layer_norm(graph, x, weight, bias, eps_);
}

void LayerNormImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(weight, 1);
  WeightDraws::constant(bias, 0);
}

}  // namespace rtdetr
