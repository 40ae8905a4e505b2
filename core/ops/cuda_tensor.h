#pragma once

#include <c10/util/Exception.h>
#include <torch/types.h>

#include "core/ops/cuda_type.h"

/// How the plug-in's tensors are seen by its launchers.
namespace rtdetr {

inline CudaType cuda_type(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kDouble:
      return CudaType::kDouble;
    case torch::kFloat:
      return CudaType::kFloat;
    case torch::kHalf:
      return CudaType::kHalf;
    case torch::kBFloat16:
      return CudaType::kBFloat16;
    default:
      TORCH_CHECK(false, "CUDA kernels are for floating types");
  }
}

/// First element, or null for a tensor that is not there.
inline const void* elements(const torch::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}
inline void* mutable_elements(const torch::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr() : nullptr;
}

}  // namespace rtdetr
