// What the CUDA plug-in exports: the table that core/ops/cuda_plugin.h asks for.
#include "core/ops/cuda_plugin.h"

extern "C" __attribute__((visibility("default"))) const rtdetr::CudaPlugin* rtdetr_cuda_plugin() {
  rtdetr::keep_nccl_from_aborting();
  static const rtdetr::CudaPlugin plugin{.version = rtdetr::kCudaPluginVersion,
                                         .ms_deform_attn = rtdetr::ms_deform_attn_cuda_kernels(),
                                         .batch_norm = rtdetr::batch_norm_cuda_passes(),
                                         .make_nccl_backend = rtdetr::make_nccl_backend};
  return &plugin;
}
