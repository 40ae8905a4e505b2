// The CUDA plug-in: tensors and streams around the launchers, and the table that core/ops/cuda_plugin.h asks for.
#include <ATen/Context.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include "core/ops/cuda_plugin.h"
#include "core/ops/ms_deform_attn_cuda.h"

namespace rtdetr {
namespace {

using torch::Tensor;

template <typename T>
T* pointer(Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

void forward_cuda(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
                  Tensor& output) {
  const c10::cuda::CUDAGuard guard(value.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  if (output.numel() == 0) return;
  if (value.scalar_type() == torch::kDouble) {
    C10_CUDA_CHECK(rtdetr_msda_forward_f64(shape, value.const_data_ptr<double>(), locations.const_data_ptr<double>(),
                                           weights.const_data_ptr<double>(), pointer<double>(output), stream));
  } else {
    C10_CUDA_CHECK(rtdetr_msda_forward_f32(shape, value.const_data_ptr<float>(), locations.const_data_ptr<float>(),
                                           weights.const_data_ptr<float>(), pointer<float>(output), stream));
  }
}

template <typename T>
struct Launchers;
template <>
struct Launchers<float> {
  static constexpr auto backward = rtdetr_msda_backward_f32;
  static constexpr auto gather = rtdetr_msda_gather_f32;
};
template <>
struct Launchers<double> {
  static constexpr auto backward = rtdetr_msda_backward_f64;
  static constexpr auto gather = rtdetr_msda_gather_f64;
};

template <typename T>
void backward_typed(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
                    const Tensor& grad_output, Tensor& grad_value, Tensor& grad_locations, Tensor& grad_weights) {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const bool deterministic = at::globalContext().deterministicAlgorithms();
  Tensor keys, shares;
  if (deterministic) {
    keys = torch::empty({weights.numel() * 4}, weights.options().dtype(torch::kInt64));
    shares = torch::empty({weights.numel() * 4}, weights.options());
  }
  C10_CUDA_CHECK(Launchers<T>::backward(
      shape, value.const_data_ptr<T>(), locations.const_data_ptr<T>(), weights.const_data_ptr<T>(),
      grad_output.const_data_ptr<T>(), deterministic ? nullptr : pointer<T>(grad_value), pointer<T>(grad_locations),
      pointer<T>(grad_weights), pointer<std::int64_t>(keys), pointer<T>(shares), stream));
  if (!deterministic) return;
  const auto [sorted, order] = keys.sort(/*stable=*/true, 0, /*descending=*/false);
  C10_CUDA_CHECK(Launchers<T>::gather(shape, keys.numel(), sorted.template const_data_ptr<std::int64_t>(),
                                      order.template const_data_ptr<std::int64_t>(),
                                      shares.template const_data_ptr<T>(), grad_output.const_data_ptr<T>(),
                                      pointer<T>(grad_value), stream));
}

void backward_cuda(const MsDeformAttnShape& shape, const Tensor& value, const Tensor& locations, const Tensor& weights,
                   const Tensor& grad_output, Tensor& grad_value, Tensor& grad_locations, Tensor& grad_weights) {
  const c10::cuda::CUDAGuard guard(value.device());
  if (weights.numel() == 0) return;
  const auto run = value.scalar_type() == torch::kDouble ? backward_typed<double> : backward_typed<float>;
  run(shape, value, locations, weights, grad_output, grad_value, grad_locations, grad_weights);
}

}  // namespace
}  // namespace rtdetr

extern "C" __attribute__((visibility("default"))) const rtdetr::CudaPlugin* rtdetr_cuda_plugin() {
  static const rtdetr::CudaPlugin plugin{rtdetr::kCudaPluginVersion, {rtdetr::forward_cuda, rtdetr::backward_cuda}};
  return &plugin;
}
