// What the CUDA plug-in exports: the table that core/ops/cuda_plugin.h asks for.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

#include "core/ops/cuda_plugin.h"

namespace rtdetr {
namespace {

bool computes_bfloat16(int card) {
  constexpr int kAmpere = 8;  // compute capability 8.0
  int major = 0;
  if (card < 0) card = c10::cuda::current_device();
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, card));
  return major >= kAmpere;
}

std::string uuid(int card) {
  cudaDeviceProp properties{};
  if (card < 0) card = c10::cuda::current_device();
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, card));
  std::string text = "GPU";
  for (std::size_t i = 0; i < sizeof(properties.uuid.bytes); ++i) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(properties.uuid.bytes[i]);
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace
}  // namespace rtdetr

extern "C" __attribute__((visibility("default"))) const rtdetr::CudaPlugin* rtdetr_cuda_plugin() {
  rtdetr::keep_nccl_from_aborting();
  static const rtdetr::CudaPlugin plugin{.version = rtdetr::kCudaPluginVersion,
                                         .ms_deform_attn = rtdetr::ms_deform_attn_cuda_kernels(),
                                         .batch_norm = rtdetr::batch_norm_cuda_passes(),
                                         .make_nccl_backend = rtdetr::make_nccl_backend,
                                         .computes_bfloat16 = rtdetr::computes_bfloat16,
                                         .uuid = rtdetr::uuid};
  return &plugin;
}
