#pragma once

#include <ATen/Parallel.h>
#include <cstdint>

/// What the packed kernels (packed_conv.h, packed_linear.h, winograd.h) take and give. Maps are float32 in NHWC order:
/// the channels of a pixel are contiguous, and pixels follow one another, image after image, `pixel_stride` floats
/// apart. A stride above the number of channels makes the map a slice of a wider one.
namespace rtdetr {

/// In the order of models' Activation.
enum class FusedActivation { kNone, kRelu, kSilu, kGelu, kLeakyRelu, kHardswish };

/// Where a map is added to the result.
enum class ResidualPlace { kNone, kBeforeActivation, kAfterActivation };

struct PackedInput {
  /// Vectors of up to 16 floats are read from a pixel's beginning, so the neighbours of a slice are read, too, and
  /// thrown away.
  const float* data = nullptr;
  std::int64_t batch = 1, height = 1, width = 1;
  std::int64_t pixel_stride = 0;
};

struct PackedOutput {
  float* data = nullptr;  ///< overlaps neither the input nor the residual, unless it says so below
  std::int64_t pixel_stride = 0;
  /// As many pixels and channels as the output. May be the output itself: it is then read before it is written.
  const float* residual = nullptr;
  std::int64_t residual_stride = 0;
};

/// Memory for intermediate results, 64-byte aligned. Nothing in it outlives a call, unless the callee says so.
struct PackedWorkspace {
  float* data = nullptr;
  int threads = 1;  ///< work is cut into so many parts for at::parallel_for; the numbers do not depend on it
};

}  // namespace rtdetr
