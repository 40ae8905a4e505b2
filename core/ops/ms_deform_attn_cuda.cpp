// Tensors and streams around the launchers of deformable attention.
#include <ATen/Context.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include "core/ops/cuda_tensor.h"
#include "core/ops/ms_deform_attn_cuda.h"
#include "core/ops/ms_deform_attn_kernels.h"

namespace rtdetr {
namespace {

using torch::Tensor;

MsDeformAttnPointers pointers(const Tensor& value, const Tensor& locations, const Tensor& weights) {
  return {elements(value), elements(locations), elements(weights)};
}

void forward_cuda(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
                  Tensor& output) {
  const c10::cuda::CUDAGuard guard(value.device());
  if (output.numel() == 0) return;
  C10_CUDA_CHECK(launch_msda_forward(shape, cuda_type(value), pointers(value, locations, weights),
                                     mutable_elements(output), c10::cuda::getCurrentCUDAStream()));
}

void backward_cuda(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
                   const Tensor& grad_output, Tensor& grad_value, Tensor& grad_locations, Tensor& grad_weights) {
  const c10::cuda::CUDAGuard guard(value.device());
  if (weights.numel() == 0) return;
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const bool deterministic = at::globalContext().deterministicAlgorithms();
  Tensor keys, shares;
  if (deterministic) {
    keys = torch::empty({weights.numel() * 4}, weights.options().dtype(torch::kInt64));
    shares = torch::empty({weights.numel() * 4}, weights.options());
  }
  const MsDeformAttnGradients out{deterministic ? nullptr : mutable_elements(grad_value),
                                  mutable_elements(grad_locations), mutable_elements(grad_weights),
                                  static_cast<std::int64_t*>(mutable_elements(keys)), mutable_elements(shares)};
  C10_CUDA_CHECK(launch_msda_backward(shape, cuda_type(value), pointers(value, locations, weights),
                                      elements(grad_output), out, stream));
  if (!deterministic) return;
  const auto [sorted, order] = keys.sort(/*stable=*/true, 0, /*descending=*/false);
  const MsDeformAttnContributions sorted_shares{keys.numel(), sorted.const_data_ptr<std::int64_t>(),
                                                order.const_data_ptr<std::int64_t>(), elements(shares)};
  C10_CUDA_CHECK(launch_msda_gather(shape, cuda_type(value), sorted_shares, elements(grad_output),
                                    mutable_elements(grad_value), stream));
}

}  // namespace

MsDeformAttnKernels ms_deform_attn_cuda_kernels() { return {forward_cuda, backward_cuda, /*loads_halves=*/true}; }

}  // namespace rtdetr
