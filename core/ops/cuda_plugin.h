#pragma once

#include <string>

#include "core/ops/batch_norm_passes.h"
#include "core/ops/ms_deform_attn_kernels.h"
#include "core/ops/nccl_backend.h"

/// CUDA comes in a plug-in, librtdetr_cuda.so, so that one program runs everywhere and starts without CUDA's libraries.
/// The plug-in exports one C function that hands over a table of kernels, a member for each op, and the way to the
/// other GPUs of a job (docs/decisions/0005-kernels-in-one-table.md).
namespace rtdetr {

struct CudaPlugin {
  int version = 0;  ///< kCudaPluginVersion it was built with
  MsDeformAttnKernels ms_deform_attn;
  BatchNormPasses batch_norm;
  MakeNcclBackend make_nccl_backend = nullptr;
  bool (*computes_bfloat16)(int card) = nullptr;  ///< whether that card has instructions for it; -1 = the current one
  std::string (*uuid)(int card) = nullptr;        ///< of that card, as nvidia-smi writes it; -1 = the current one
};
inline constexpr int kCudaPluginVersion = 4;
inline constexpr const char* kCudaPluginEntry = "rtdetr_cuda_plugin";  ///< const CudaPlugin* ()

/// Loads the plug-in, and with it LibTorch's CUDA half. Looks at $RTDETR_CUDA_PLUGIN, beside
/// the program, and in the lib folder beside the program's. Call before anything asks LibTorch about CUDA: it remembers
/// the first answer. Does nothing when called again.
/// @throws ConfigError  saying where it looked, or what the loader said
void load_cuda_plugin();

/// The kernels of the plug-in, or nullptr if it was not loaded.
const CudaPlugin* cuda_plugin();

}  // namespace rtdetr
