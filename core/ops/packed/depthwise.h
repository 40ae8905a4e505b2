#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/packed/depthwise_kernels.h"
#include "core/ops/packed/packed_product.h"

namespace rtdetr {

/// A convolution whose every channel has one filter of its own.
class DepthwiseConv {
 public:
  /// @param rows    of the maps it will be given; `map` and the output's size are not looked at
  /// @param weight  [channels, 1, kernel_h, kernel_w]
  DepthwiseConv(const PixelRows& rows, const float* weight);

  /// For lines of bf16 as floats; of a processor that has no such maps, 0.
  std::int64_t workspace_floats(const PixelRows& rows, int threads) const;
  /// @param rows  the map, and the output's size
  void run(const PixelRows& rows, const Epilogue& epilogue, const PackedOutput& y,
           const PackedWorkspace& workspace) const;
  std::size_t bytes() const { return static_cast<std::size_t>(weights_.size()) * sizeof(float); }

 private:
  struct Lines;
  std::int64_t wide_lines(const PixelRows& rows) const;
  void run_row(const PixelRows& rows, const Lines& lines, std::int64_t row, DepthwiseArgs args) const;
  void run_wide_lines(const PixelRows& rows, const Part& part, const DepthwiseArgs& args, float* wide) const;

  DepthwiseKernel kernel_;
  std::int64_t depth_;  ///< of a tap's weights, padded
  AlignedFloats weights_;
};

}  // namespace rtdetr
