#pragma once

#include "core/base/cpp20.h"

#include <functional>

#include <torch/types.h>

#include "core/ops/batch_norm_shape.h"

namespace rtdetr {

/// Whether `batch_norm_act` is written for this map: channels last, float32 or bfloat16, on the CPU; or on a GPU whose
/// plug-in was loaded, where float16 will do, too.
bool suits_batch_norm_act(const torch::Tensor& x);

/// Adds up the sums of several processes, in place: float64, contiguous, of one size everywhere. Each process calls its
/// own once in the forward and once in the backward pass of every map, in the same order as the others.
using SumReducer = std::function<void(const torch::Tensor& sums)>;

/// act((x − mean) / √(var + eps) · weight + bias) with the statistics of the batch itself, and their running averages
/// moved by `momentum` (the variance unbiased): training-mode BatchNorm and the activation behind it in one.
///
/// Sums are taken in float64 (on a GPU of a few float32 terms each, of distances to one of the channel's values):
/// LibTorch sums channels-last maps in float32, which costs a digit of the output wherever a channel's mean is far from
/// zero. The activation's output is computed again in the backward instead of being kept. Results do not depend on the
/// number of threads; a GPU's are the same bits every time.
///
/// @param x                          [B, C, H, W] as suits_batch_norm_act says
/// @param weight, bias               [C] float32
/// @param running_mean, running_var  [C] float32, changed
/// @param reduce  if given, statistics and the gradient of x are of the maps of all processes together, of any number
///                of pixels each; the gradients of weight and bias are those of this process' pixels, to be added to
///                the others' as any gradient is
/// @return                           [B, C, H, W], type and layout of x
torch::Tensor batch_norm_act(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                             const torch::Tensor& running_mean, const torch::Tensor& running_var, double momentum,
                             double eps, NormActivation activation, const SumReducer& reduce = {});

/// Whether `fixed_batch_norm_act` is written for this map: as above, but on a GPU alone. On the CPU a norm with fixed
/// statistics is LibTorch's, or part of a convolution (models/layers/fuse.h).
bool suits_fixed_batch_norm_act(const torch::Tensor& x);

/// The same with fixed statistics, in one kernel each way. Differentiable in x alone.
torch::Tensor fixed_batch_norm_act(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                                   const torch::Tensor& mean, const torch::Tensor& variance, double eps,
                                   NormActivation activation);

}  // namespace rtdetr
