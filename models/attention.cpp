#include "models/attention.h"

#include <torch/torch.h>

#include "core/check.h"

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

Tensor SelfAttentionImpl::forward(const Tensor& query_key, const Tensor& value, const Tensor& mask) {
  const auto length = query_key.size(1);
  const auto project = [&](const Tensor& x, std::int64_t first, std::int64_t parts) {
    return torch::linear(x, in_proj_weight.narrow(0, first * dim_, parts * dim_),
                         in_proj_bias.narrow(0, first * dim_, parts * dim_));
  };
  const auto split_heads = [&](const Tensor& x) {  // [B, N, D] → [B, M, N, D/M]
    return x.unflatten(2, {heads_, dim_ / heads_}).transpose(1, 2);
  };
  const Tensor qk = project(query_key, 0, 2), v = project(value, 2, 1);
  std::optional<Tensor> bias;
  if (mask.defined()) bias = mask.to(qk.scalar_type());
  const Tensor mixed = at::scaled_dot_product_attention(split_heads(qk.narrow(2, 0, dim_)),
                                                        split_heads(qk.narrow(2, dim_, dim_)), split_heads(v), bias);
  return out_proj(mixed.transpose(1, 2).reshape({-1, length, dim_}));
}

}  // namespace rtdetr
