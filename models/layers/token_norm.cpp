#include "models/layers/token_norm.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/onnx/onnx_ops.h"

namespace rtdetr {

RmsNormImpl::RmsNormImpl(std::int64_t size) { scale = register_parameter("scale", new_weight({size})); }

Tensor RmsNormImpl::forward(const Tensor& x) {
  const Tensor precise = x.scalar_type() == torch::kDouble ? x : x.to(torch::kFloat);
  const Tensor unit = precise * (precise.square().mean(-1, /*keepdim=*/true) + kEps).rsqrt();
  return unit.to(x.scalar_type()) * scale;
}

OnnxValue RmsNormImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return onnx::rms_norm(graph, x, scale, kEps);
}

void RmsNormImpl::init_weights(const WeightDraws&) { WeightDraws::constant(scale, 1); }

TokenNorm::TokenNorm(torch::nn::Module& parent, std::string name, std::int64_t size, TokenNormKind kind)
    : name_(std::move(name)) {
  if (kind == TokenNormKind::kLayer)
    layer_ = parent.register_module(name_, LayerNorm(size));
  else
    rms_ = parent.register_module(name_, RmsNorm(size));
}

OnnxValue TokenNorm::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return layer_ ? graph.emit(name_, layer_, x) : graph.emit(name_, rms_, x);
}

}  // namespace rtdetr
