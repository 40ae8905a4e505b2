#include "models/layers/attention.h"

#include <cmath>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/attention.h"
#include "core/tensor/check.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

SelfAttentionImpl::SelfAttentionImpl(std::int64_t dim, std::int64_t heads) : dim_(dim), heads_(heads) {
  RTDETR_CHECK(heads > 0 && dim % heads == 0,
               "attention width " + std::to_string(dim) + " is no multiple of " + std::to_string(heads) + " heads");
  in_proj_weight = register_parameter("in_proj_weight", new_weight({3 * dim, dim}));
  in_proj_bias = register_parameter("in_proj_bias", new_weight({3 * dim}));
  out_proj = register_module("out_proj", Linear(dim, dim));
}

void SelfAttentionImpl::init_weights(const WeightDraws& draws) {
  draws.xavier_uniform(in_proj_weight, "in_proj_weight");
  WeightDraws::constant(in_proj_bias, 0);
  WeightDraws::constant(out_proj->bias, 0);
}

/// [B, N, D] → [B, M, N, D/M]
Tensor SelfAttentionImpl::split_heads(const Tensor& x) const {
  return x.unflatten(2, {heads_, dim_ / heads_}).transpose(1, 2);
}

/// @return  [B, N, M, D/M]
Tensor SelfAttentionImpl::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                 const std::optional<Tensor>& bias) const {
  return attention(split_heads(query), split_heads(key), split_heads(value), bias).transpose(1, 2);
}

Tensor SelfAttentionImpl::forward(const Tensor& query_key, const Tensor& value, const Tensor& mask) {
  // Split, not narrowed: the gradients of the parts then come back in one concatenation.
  const auto weights = in_proj_weight.split_with_sizes({2 * dim_, dim_}),
             biases = in_proj_bias.split_with_sizes({2 * dim_, dim_});
  const auto qk = linear(query_key, weights[0], biases[0]).split(dim_, 2);
  const Tensor v = linear(value, weights[1], biases[1]);
  std::optional<Tensor> bias;
  if (mask.defined()) bias = mask.to(v.scalar_type());
  const auto all = value.size(1), masked = bias ? bias->size(0) : all;
  Tensor mixed;
  if (masked == all) {
    mixed = attend(qk[0], qk[1], v, bias);
  } else {
    const auto queries = qk[0].split_with_sizes({masked, all - masked}, 1);
    const auto others = [&](const Tensor& x) { return x.narrow(1, masked, all - masked); };
    mixed = torch::cat({attend(queries[0], qk[1], v, bias), attend(queries[1], others(qk[1]), others(v), {})}, 1);
  }
  return out_proj(mixed.reshape({-1, all, dim_}));
}

OnnxValue SelfAttentionImpl::emit(OnnxBuilder& graph, const OnnxValue& query_key, const OnnxValue& value) const {
  const std::int64_t width = dim_ / heads_;
  const auto weights = in_proj_weight.split(dim_, 0), biases = in_proj_bias.split(dim_, 0);
  if (graph.native()) {
    const OnnxValue qk =
        onnx::linear(graph, query_key, in_proj_weight.narrow(0, 0, 2 * dim_), in_proj_bias.narrow(0, 0, 2 * dim_));
    const OnnxValue v = onnx::linear(graph, value, weights[2], biases[2]);
    const OnnxValue mixed = graph.node("Attention", {qk, v}, {v.shape, v.type}, {{"heads", heads_}});
    return graph.emit("out_proj", out_proj, mixed);
  }
  const auto project = [&](const char* name, std::size_t part, const OnnxValue& x, double scale,
                           const std::vector<std::int64_t>& order) {  // [B, N, D] → [B, N, M, D/M], in that order
    const OnnxBuilder::Scope scope = graph.within(name);
    const OnnxValue all = onnx::linear(graph, x, weights[part] * scale, biases[part] * scale);
    return onnx::transpose(graph, onnx::reshape(graph, all, {0, 0, heads_, width}), order);
  };
  const OnnxValue q = project("q", 0, query_key, 1 / std::sqrt(static_cast<double>(width)), {0, 2, 1, 3});
  const OnnxValue k = project("k", 1, query_key, 1, {0, 2, 3, 1});
  const OnnxValue v = project("v", 2, value, 1, {0, 2, 1, 3});
  const OnnxValue mixed = onnx::matmul(graph, onnx::softmax(graph, onnx::matmul(graph, q, k)), v);  // [B, M, N, D/M]
  const OnnxValue joined = onnx::reshape(graph, onnx::transpose(graph, mixed, {0, 2, 1, 3}), {0, 0, dim_});
  return graph.emit("out_proj", out_proj, joined);
}

}  // namespace rtdetr
