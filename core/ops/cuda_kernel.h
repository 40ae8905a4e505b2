#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/ops/cuda_type.h"

/// What every CUDA source of ours needs. It is read by nvcc, and by the C++ compiler for tests without a card
/// (tests/support/cuda_on_host): so a kernel is launched by a function, not by `<<<>>>`.
namespace rtdetr {

/// What a value of type T is computed in.
template <typename T>
struct Wide {
  using type = float;
};
template <>
struct Wide<double> {
  using type = double;
};

__device__ inline double widen(double x) { return x; }
__device__ inline float widen(float x) { return x; }
__device__ inline float widen(__half x) { return __half2float(x); }
__device__ inline float widen(__nv_bfloat16 x) { return __bfloat162float(x); }

/// Rounds to the nearest.
template <typename T>
__device__ T narrow(typename Wide<T>::type x) {
  return x;
}
template <>
__device__ inline __half narrow<__half>(float x) {
  return __float2half(x);
}
template <>
__device__ inline __nv_bfloat16 narrow<__nv_bfloat16>(float x) {
  return __float2bfloat16(x);
}

/// Blocks for `work` items, `per_block` each, at most 65535: kernels loop when there are more.
inline unsigned blocks_for(std::int64_t work, std::int64_t per_block) {
  const std::int64_t wanted = (work + per_block - 1) / per_block;
  return static_cast<unsigned>(wanted < 1 ? 1 : wanted > 65535 ? 65535 : wanted);
}

/// Starts `blocks` blocks of `threads` threads of a kernel, asynchronous on `stream`.
template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 blocks, unsigned threads, cudaStream_t stream,
                   Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks;
  config.blockDim = {threads, 1, 1};
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

/// Calls body(T()) with the C++ type of a kernel's elements.
template <typename Body>
cudaError_t with_half_or_float(CudaType type, const Body& body) {
  if (type == CudaType::kHalf) return body(__half());
  if (type == CudaType::kBFloat16) return body(__nv_bfloat16());
  return body(float());
}
template <typename Body>
cudaError_t with_any_float(CudaType type, const Body& body) {
  return type == CudaType::kDouble ? body(double()) : with_half_or_float(type, body);
}

}  // namespace rtdetr
