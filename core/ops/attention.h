#pragma once

#include <optional>

#include <torch/types.h>

namespace rtdetr {

/// softmax(q·kᵀ / √d + bias)·v: what at::scaled_dot_product_attention computes, by the way that is faster where
/// gradients are wanted. Of bfloat16 on the CPU these are three products, with the weights rounded to bfloat16:
/// LibTorch's own backward makes one oneDNN primitive for each picture, head and block.
///
/// @param query  [B, H, M, d]
/// @param key    [B, H, N, d]
/// @param value  [B, H, N, d]
/// @param bias   added to the logits, [M, N] or what broadcasts to [B, H, M, N], of the queries' type
/// @return       [B, H, M, d]
torch::Tensor attention(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value,
                        const std::optional<torch::Tensor>& bias);

}  // namespace rtdetr
