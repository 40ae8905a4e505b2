#pragma once

/// The element types that the CUDA kernels read and write; LibTorch's names for them are not for CUDA sources.
namespace rtdetr {

/// Halves are widened when they are loaded: sums of them are float.
enum class CudaType { kDouble, kFloat, kHalf, kBFloat16 };

}  // namespace rtdetr
