#pragma once

#include <cuda_runtime_api.h>

#include "core/ops/ms_deform_attn_shape.h"

/// Launchers of the CUDA kernels: raw device pointers of contiguous tensors, asynchronous on `stream`. Each returns
/// cudaGetLastError(). Layouts as in ms_deform_attn.h.
extern "C" {

cudaError_t rtdetr_msda_forward_f32(rtdetr::MsDeformAttnShape shape, const float* value, const float* locations,
                                    const float* weights, float* output, cudaStream_t stream);
cudaError_t rtdetr_msda_forward_f64(rtdetr::MsDeformAttnShape shape, const double* value, const double* locations,
                                    const double* weights, double* output, cudaStream_t stream);

/// Gradients of locations (null for discrete sampling) and weights; and the gradient of value in one of two ways:
/// added atomically into `grad_value` (fast, summed in any order), or, where that is null, as a list of contributions:
/// `keys` [B, Q, M, P, 4] says which (image, token, head) gets `shares` times the output's gradient; -1 = none.
cudaError_t rtdetr_msda_backward_f32(rtdetr::MsDeformAttnShape shape, const float* value, const float* locations,
                                     const float* weights, const float* grad_output, float* grad_value,
                                     float* grad_locations, float* grad_weights, std::int64_t* keys, float* shares,
                                     cudaStream_t stream);
cudaError_t rtdetr_msda_backward_f64(rtdetr::MsDeformAttnShape shape, const double* value, const double* locations,
                                     const double* weights, const double* grad_output, double* grad_value,
                                     double* grad_locations, double* grad_weights, std::int64_t* keys, double* shares,
                                     cudaStream_t stream);

/// Adds up the contributions of each key in the order of `order`, which sorts them stably: the same sum every time.
/// @param count  B·Q·M·P·4
cudaError_t rtdetr_msda_gather_f32(rtdetr::MsDeformAttnShape shape, std::int64_t count, const std::int64_t* sorted_keys,
                                   const std::int64_t* order, const float* shares, const float* grad_output,
                                   float* grad_value, cudaStream_t stream);
cudaError_t rtdetr_msda_gather_f64(rtdetr::MsDeformAttnShape shape, std::int64_t count, const std::int64_t* sorted_keys,
                                   const std::int64_t* order, const double* shares, const double* grad_output,
                                   double* grad_value, cudaStream_t stream);
}
