#pragma once

#include <cstdint>

#include "core/ops/packed/packed_matrix.h"

namespace rtdetr {

/// What a convolution does to its sums.
struct Epilogue {
  const float* bias = nullptr;  ///< padded to whole panels (padded_bias)
  FusedActivation activation = FusedActivation::kNone;
  ResidualPlace place = ResidualPlace::kNone;
};

/// Rows of pixels that a convolution multiplies with its weights: for each output pixel the taps (row, column) of its
/// window, `channels` numbers each, zeros outside the map.
struct PixelRows {
  PackedInput map;
  std::int64_t channels = 0;
  std::int64_t kernel_h = 1, kernel_w = 1, stride = 1, padding = 0, dilation = 1;
  std::int64_t out_height = 1, out_width = 1;

  std::int64_t count() const { return map.batch * out_height * out_width; }
  /// Gathers rows [first, first + rows) into a row panel.
  void gather(const PackedKernels& kernels, std::int64_t first, std::int64_t rows, float* panel) const;
};

/// Part of a range that is cut into `parts` of nearly the same length.
struct Part {
  std::int64_t begin, end;
};
inline Part part_of(std::int64_t size, std::int64_t part, std::int64_t parts) {
  return {size * part / parts, size * (part + 1) / parts};
}

std::int64_t product_workspace_floats(const PackedKernels& kernels, std::int64_t k, int threads);

/// y = act(rows · weights + bias …). The workspace has product_workspace_floats().
void run_product(const PackedKernels& kernels, const PixelRows& rows, const PackedMatrix& weights,
                 const Epilogue& epilogue, const PackedOutput& y, const PackedWorkspace& workspace);

}  // namespace rtdetr
