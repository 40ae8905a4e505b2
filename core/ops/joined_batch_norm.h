#pragma once

#include <torch/types.h>

#include "core/ops/batch_norm.h"

namespace rtdetr {

/// Training-mode BatchNorm over the maps of all processes together, in LibTorch's own operations: for maps of any
/// float type and layout on any device, where batch_norm_act is not written for them. Statistics are taken in float64.
///
/// @param x                          [B, C, H, W]; processes may have as many pixels as they like
/// @param weight, bias               [C]; their gradients are those of this process' pixels
/// @param running_mean, running_var  [C], changed
/// @param reduce                     called once in the forward and once in the backward pass; tensors on x's device
torch::Tensor joined_batch_norm(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                const torch::Tensor& running_mean, const torch::Tensor& running_var, double momentum,
                                double eps, const SumReducer& reduce);

}  // namespace rtdetr
