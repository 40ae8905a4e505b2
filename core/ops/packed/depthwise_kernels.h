#pragma once

#include <cstdint>

#include "core/ops/packed/packed_map.h"

namespace rtdetr {

/// A run of neighbouring output pixels whose windows have the same taps inside the map.
struct DepthwiseArgs {
  const float* x;                                   ///< of the first pixel's first tap
  std::int64_t x_step, x_row_stride, x_tap_stride;  ///< from pixel to pixel, and from tap to tap
  const float* weight;                              ///< of the first tap
  std::int64_t weight_row_stride, weight_tap_stride;
  std::int64_t tap_rows, taps;  ///< inside the map
  std::int64_t pixels, channels;
  const float* bias;
  MapData y;
  std::int64_t y_stride;
  ConstMapData residual;
  std::int64_t residual_stride;
  FusedActivation activation;
  ResidualPlace place;
};

using DepthwiseKernel = void (*)(const DepthwiseArgs&);
/// For the CPU level in use. Weights and bias may be read up to a whole vector. A result of bf16 with AVX512_BF16
/// alone.
DepthwiseKernel depthwise_kernel();

}  // namespace rtdetr
