// What the CUDA plug-in exports: the table that core/ops/cuda_plugin.h asks for.
#include "core/ops/cuda_plugin.h"

extern "C" __attribute__((visibility("default"))) const rtdetr::CudaPlugin* rtdetr_cuda_plugin() {
  rtdetr::keep_nccl_from_aborting();
  static const rtdetr::CudaPlugin plugin{rtdetr::kCudaPluginVersion, rtdetr::ms_deform_attn_cuda_kernels(),
                                         rtdetr::batch_norm_cuda_passes(), rtdetr::make_nccl_backend};
  return &plugin;
}
