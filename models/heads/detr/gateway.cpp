#include "models/heads/detr/gateway.h"

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

GatewayImpl::GatewayImpl(std::int64_t dim, TokenNormKind norm) : dim_(dim) {
  gate_ = register_module("gate", Linear(2 * dim, 2 * dim));
  norm_ = TokenNorm(*this, "norm", dim, norm);
}

Tensor GatewayImpl::forward(const Tensor& x, const Tensor& seen) {
  const auto gates = gate_(torch::cat({x, seen.to(x.scalar_type())}, -1)).sigmoid().split(dim_, -1);
  return norm_(residual(gates[0] * x, gates[1] * seen));
}

/// Natively each half has its own product, so that neither has to be brought beside the other.
OnnxValue GatewayImpl::emit_gates(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& seen) const {
  if (!graph.native()) return graph.emit("gate", gate_, onnx::concat(graph, {x, seen}, -1));
  const OnnxBuilder::Scope scope = graph.within("gate");
  const auto weights = gate_->weight.split(dim_, 1);
  return onnx::add(graph, onnx::linear(graph, x, weights[0], gate_->bias),
                   onnx::linear(graph, seen, weights[1], torch::zeros_like(gate_->bias)));
}

OnnxValue GatewayImpl::emit(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& seen) const {
  const OnnxValue wide = emit_gates(graph, x, seen);
  const auto gates = onnx::split(graph, onnx::unary(graph, "Sigmoid", wide), {dim_, dim_}, -1);
  const OnnxValue kept = onnx::mul(graph, gates[0], x), taken = onnx::mul(graph, gates[1], seen);
  return norm_.emit(graph, emit_residual(graph, kept, taken));
}

void GatewayImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(gate_->weight, 0);
  WeightDraws::constant(gate_->bias, 0);
}

}  // namespace rtdetr
