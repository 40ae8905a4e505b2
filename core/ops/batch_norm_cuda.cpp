// Tensors and streams around the launchers of BatchNorm: three launches forward and three backward, one more forward
// and two more backward where sums are joined with other processes'; one and one where statistics are fixed.
#include "core/ops/batch_norm_cuda.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include "core/ops/batch_norm_passes.h"
#include "core/ops/cuda_tensor.h"

namespace rtdetr {
namespace {

using torch::Tensor;

BatchNormMap map_of(const Tensor& x) { return {elements(x), cuda_type(x), {x.numel() / x.size(1), x.size(1)}}; }

/// Sums in memory of the device's.
struct HeldSums {
  Tensor memory;
  BatchNormSums view;
};

HeldSums slices_of(const Tensor& x) {
  const BatchNormShape shape = map_of(x).shape;
  const std::int64_t slices = batch_norm_slices(shape);
  const Tensor memory = torch::empty({slices, 2, shape.channels}, x.options().dtype(torch::kFloat64));
  return {memory, {memory.mutable_data_ptr<double>(), slices, shape.channels, static_cast<double>(shape.rows)}};
}

/// The sums of all processes' maps.
HeldSums join(const HeldSums& own, const SumReducer& reduce, cudaStream_t stream) {
  const std::int64_t channels = own.view.channels;
  const Tensor joined = torch::empty({2 * channels + 1}, own.memory.options());
  BatchNormTotals out;
  out.joined = joined.mutable_data_ptr<double>();
  C10_CUDA_CHECK(launch_batch_norm_totals(own.view, out, stream));
  reduce(joined);
  return {joined, {out.joined, 1, channels, 0, out.joined + 2 * channels}};
}

float* moved(const Tensor& average) {
  TORCH_CHECK(average.scalar_type() == torch::kFloat32 && average.is_contiguous(), "running averages are float32");
  return average.mutable_data_ptr<float>();
}

Tensor forward_cuda(const Tensor& x, const BatchNormParts& parts, const SumReducer& reduce, Tensor& norm) {
  const c10::cuda::CUDAGuard guard(x.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const Tensor weight = parts.weight.to(torch::kFloat32).contiguous(),
               bias = parts.bias.to(torch::kFloat32).contiguous();
  HeldSums sums = slices_of(x);
  C10_CUDA_CHECK(launch_batch_norm_sums(map_of(x), sums.view, stream));
  if (reduce) sums = join(sums, reduce, stream);
  norm = torch::empty({4, x.size(1)}, x.options().dtype(torch::kFloat32));
  const BatchNormStatistics out{weight.const_data_ptr<float>(),
                                bias.const_data_ptr<float>(),
                                moved(parts.running_mean),
                                moved(parts.running_var),
                                norm.mutable_data_ptr<float>(),
                                parts.momentum,
                                parts.eps};
  C10_CUDA_CHECK(launch_batch_norm_statistics(sums.view, out, stream));
  const Tensor y = torch::empty_like(x);
  C10_CUDA_CHECK(launch_batch_norm_normalize(map_of(x), parts.activation, out.norm, mutable_elements(y), stream));
  return y;
}

BatchNormGradients backward_cuda(const Tensor& grad, const Tensor& x, const Tensor& norm, NormActivation activation,
                                 const SumReducer& reduce) {
  const c10::cuda::CUDAGuard guard(x.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const float* channel_norm = norm.const_data_ptr<float>();
  const HeldSums own = slices_of(x);
  C10_CUDA_CHECK(
      launch_batch_norm_backward_sums(map_of(x), elements(grad), activation, channel_norm, own.view, stream));
  const Tensor sums = torch::empty({2, x.size(1)}, norm.options()), means = torch::empty_like(sums);
  BatchNormTotals totals;
  totals.sums = sums.mutable_data_ptr<float>();
  totals.means = means.mutable_data_ptr<float>();
  C10_CUDA_CHECK(launch_batch_norm_totals(own.view, totals, stream));
  if (reduce) {
    totals.sums = nullptr;
    C10_CUDA_CHECK(launch_batch_norm_totals(join(own, reduce, stream).view, totals, stream));
  }
  const Tensor dx = torch::empty_like(x);
  C10_CUDA_CHECK(launch_batch_norm_input(map_of(x), elements(grad), activation, channel_norm, totals.means,
                                         mutable_elements(dx), stream));
  return {dx, sums[1], sums[0]};
}

Tensor fixed_forward_cuda(const Tensor& x, const BatchNormParts& parts, Tensor& norm) {
  const c10::cuda::CUDAGuard guard(x.device());
  const auto floats = [](const Tensor& of_channels) { return of_channels.to(torch::kFloat32).contiguous(); };
  const Tensor weight = floats(parts.weight), bias = floats(parts.bias), mean = floats(parts.running_mean),
               variance = floats(parts.running_var);
  const BatchNormFixed fixed{weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), mean.const_data_ptr<float>(),
                             variance.const_data_ptr<float>(), static_cast<float>(parts.eps)};
  norm = torch::empty({4, x.size(1)}, weight.options());
  const Tensor y = torch::empty_like(x);
  C10_CUDA_CHECK(launch_batch_norm_fixed(map_of(x), parts.activation, fixed, norm.mutable_data_ptr<float>(),
                                         mutable_elements(y), c10::cuda::getCurrentCUDAStream()));
  return y;
}

Tensor fixed_backward_cuda(const Tensor& grad, const Tensor& x, const Tensor& norm, NormActivation activation) {
  const c10::cuda::CUDAGuard guard(x.device());
  const Tensor dx = torch::empty_like(x);
  C10_CUDA_CHECK(launch_batch_norm_input(map_of(x), elements(grad), activation, norm.const_data_ptr<float>(), nullptr,
                                         mutable_elements(dx), c10::cuda::getCurrentCUDAStream()));
  return dx;
}

}  // namespace

BatchNormPasses batch_norm_cuda_passes() {
  return {forward_cuda, backward_cuda, fixed_forward_cuda, fixed_backward_cuda};
}

}  // namespace rtdetr
