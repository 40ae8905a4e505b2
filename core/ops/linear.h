#pragma once

#include "core/base/cpp20.h"

#include <torch/types.h>

namespace rtdetr {

/// y = x·Wᵀ + b, and its ReLU with `relu`: what torch::linear computes, faster. float32 on the CPU goes through
/// oneDNN's matrix product in both directions: LibTorch's own choice, MKL, runs at less than half of that on AMD and
/// level on Intel. Everything else (other types and devices, autocast, a LibTorch without that product) is handed to
/// torch::linear. Differentiable once.
///
/// @param x       [..., K]
/// @param weight  [N, K]
/// @param bias    [N], or undefined
/// @return        [..., N]
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, bool relu = false);

}  // namespace rtdetr
