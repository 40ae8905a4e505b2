#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <functional>

#include <torch/nn/module.h>
#include <torch/types.h>

/// Fusion: BatchNorm folded into the convolution in front of it, parallel branches added into one kernel. Exact up to
/// rounding (computed in float64), evaluation only, not undone.
namespace rtdetr {

class BatchNormImpl;

/// A convolution's kernel [out, in / groups, k, k] and bias [out].
struct FoldedKernel {
  torch::Tensor weight, bias;
};

/// Folds some output channels of a kernel: [first, first + count). Kernels are folded part by part, because float64
/// copies of whole ones would be the most memory that loading a model takes.
using FoldPart = std::function<FoldedKernel(std::int64_t first, std::int64_t count)>;
/// All of them, in the type and on the device of `like`, which has the weight's shape: in its memory if nobody else has
/// that. A part may read the same outputs of `like`.
FoldedKernel fold_by_parts(const torch::Tensor& like, const FoldPart& part);

/// w' = w·γ/√(σ² + eps), b' = β + (b − μ)·γ/√(σ² + eps), in float64.
/// @param bias   may be undefined
/// @param first  the norm's channel of the first output channel
FoldedKernel fold_norm(const torch::Tensor& weight, const torch::Tensor& bias, const BatchNormImpl& norm,
                       std::int64_t first = 0);

/// What the references' own deployment does to a model, which their parameter tables count.
enum class Deployment {
  kOfficial,     ///< parallel branches in one kernel, no denoising embedding; BatchNorm and idle layers stay
  kUltralytics,  ///< parallel branches in one kernel, BatchNorm folded; the head stays as it is
  kDfine,        ///< the same but for the backbone and input projections; no embedding; scores of the last layer alone
};

/// A module with something to fold: a convolution its BatchNorm (models/layers/conv.cpp), RepConv its branches and
/// identity (models/blocks/rep.cpp), a head what only training needs. After `fuse` its forward computes the same with
/// fewer tensors.
class Fusable {
 public:
  virtual ~Fusable() = default;
  virtual void fuse() = 0;
  /// Parameters, its children's too, that `deployment` leaves. Asked before `fuse`, which leaves fewer.
  virtual std::int64_t deployed_parameters(Deployment deployment) const = 0;
};

/// Fuses `root`'s modules, parents before their children, and takes the gradients off its parameters.
void fuse_modules(torch::nn::Module& root);

}  // namespace rtdetr
