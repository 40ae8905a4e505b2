#include "models/layers/attention.h"

#include <torch/torch.h>

#include "core/tensor/check.h"

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
  const auto split_heads = [&](const Tensor& x) {  // [B, N, D] → [B, M, N, D/M]
    return x.unflatten(2, {heads_, dim_ / heads_}).transpose(1, 2);
  };
  // Split, not narrowed: the gradients of the parts then come back in one concatenation.
  const auto weights = in_proj_weight.split_with_sizes({2 * dim_, dim_}),
             biases = in_proj_bias.split_with_sizes({2 * dim_, dim_});
  const auto qk = linear(query_key, weights[0], biases[0]).split(dim_, 2);
  const Tensor v = linear(value, weights[1], biases[1]);
  std::optional<Tensor> bias;
  if (mask.defined()) bias = mask.to(v.scalar_type());
  const Tensor mixed = at::scaled_dot_product_attention(split_heads(qk[0]), split_heads(qk[1]), split_heads(v), bias);
  return out_proj(mixed.transpose(1, 2).reshape({-1, query_key.size(1), dim_}));
}

}  // namespace rtdetr
