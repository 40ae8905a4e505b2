#pragma once

#include "core/ops/batch_norm.h"

/// What stands between the op (autograd) and the two passes that each device has.
namespace rtdetr {

struct BatchNormParts {
  torch::Tensor weight, bias;               ///< [C]
  torch::Tensor running_mean, running_var;  ///< [C] float32, moved
  double momentum = 0, eps = 0;
  NormActivation activation = NormActivation::kNone;
};

struct BatchNormGradients {
  torch::Tensor x, weight, bias;
};

/// Maps as suits_batch_norm_act says.
struct BatchNormPasses {
  /// Measures x, moves the running averages and returns act(norm(x)). @param norm  gets what `backward` wants
  torch::Tensor (*forward)(const torch::Tensor& x, const BatchNormParts& parts, const SumReducer& reduce,
                           torch::Tensor& norm) = nullptr;
  /// @param grad  of the output: type and layout of x
  BatchNormGradients (*backward)(const torch::Tensor& grad, const torch::Tensor& x, const torch::Tensor& norm,
                                 NormActivation activation, const SumReducer& reduce) = nullptr;
  /// act(norm(x)) by the running averages, which stay. @param norm  as above, for `fixed_backward`. Null on the CPU
  torch::Tensor (*fixed_forward)(const torch::Tensor& x, const BatchNormParts& parts, torch::Tensor& norm) = nullptr;
  /// The gradient of x.
  torch::Tensor (*fixed_backward)(const torch::Tensor& grad, const torch::Tensor& x, const torch::Tensor& norm,
                                  NormActivation activation) = nullptr;
};

BatchNormPasses batch_norm_cpu_passes();
BatchNormPasses batch_norm_cuda_passes();  ///< of the plug-in: linked into that alone

}  // namespace rtdetr
