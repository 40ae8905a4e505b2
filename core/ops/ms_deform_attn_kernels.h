#pragma once

#include <cstdint>

#include "core/ops/ms_deform_attn.h"

/// What stands between the op (shapes, autograd) and its kernels (one table per device).
namespace rtdetr {

/// Contiguous tensors; value, output and its gradient are of one type, locations, weights and all gradients that are
/// handed back of the type that is computed in: float64 for float64, float32 for the others. Results are allocated by
/// the caller. `backward` adds into `grad_value` (zero on entry) and overwrites the other two; `grad_locations` is
/// undefined for discrete sampling.
struct MsDeformAttnKernels {
  void (*forward)(const MsDeformAttnShape& shape, const torch::Tensor& value, const torch::Tensor& locations,
                  const torch::Tensor& weights, torch::Tensor& output) = nullptr;
  void (*backward)(const MsDeformAttnShape& shape, const torch::Tensor& value, const torch::Tensor& locations,
                   const torch::Tensor& weights, const torch::Tensor& grad_output, torch::Tensor& grad_value,
                   torch::Tensor& grad_locations, torch::Tensor& grad_weights) = nullptr;
  bool loads_halves = false;  ///< value may be a half type; else the op converts it first
};

MsDeformAttnKernels ms_deform_attn_cpu_kernels();
MsDeformAttnKernels ms_deform_attn_cuda_kernels();  ///< of the plug-in: linked into that alone

/// Kernels for a type of device that has none of its own.
void set_ms_deform_attn_kernels(torch::DeviceType type, const MsDeformAttnKernels& kernels);

}  // namespace rtdetr
