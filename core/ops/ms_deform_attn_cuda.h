#pragma once

#include <cuda_runtime_api.h>

#include "core/ops/cuda_type.h"
#include "core/ops/ms_deform_attn_shape.h"

/// Launchers of the CUDA kernels: raw device pointers of contiguous tensors, asynchronous on `stream`. Layouts as in
/// ms_deform_attn.h. value, output and grad_output are of type `type`; all else is of the type that it is computed in:
/// double for double, float for the others.
namespace rtdetr {

struct MsDeformAttnPointers {
  const void *value, *locations, *weights;
};

cudaError_t launch_msda_forward(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnPointers& in,
                                void* output, cudaStream_t stream);

/// The gradient of value is written in one of two ways: added atomically into `value` (fast, summed in any order), or,
/// where that is null, as a list of contributions: `keys` [B, Q, M, P, 4] says which (image, token, head) gets `shares`
/// times the output's gradient; -1 = none.
struct MsDeformAttnGradients {
  void *value, *locations, *weights;  ///< locations: null for discrete sampling
  std::int64_t* keys;
  void* shares;
};
cudaError_t launch_msda_backward(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnPointers& in,
                                 const void* grad_output, const MsDeformAttnGradients& out, cudaStream_t stream);

/// Contributions in the order of their keys: `order` sorts them stably, so that sums are the same every time.
struct MsDeformAttnContributions {
  std::int64_t count;  ///< B·Q·M·P·4
  const std::int64_t *sorted_keys, *order;
  const void* shares;  ///< not sorted
};
cudaError_t launch_msda_gather(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnContributions& in,
                               const void* grad_output, void* grad_value, cudaStream_t stream);

}  // namespace rtdetr
