#pragma once

#include <cstdint>

#include "core/ops/packed/packed_matrix.h"
#include "core/ops/packed/pixel_rows.h"

namespace rtdetr {

/// What a convolution does to its sums.
struct Epilogue {
  const float* bias = nullptr;  ///< padded to whole panels (padded_bias)
  FusedActivation activation = FusedActivation::kNone;
  ResidualPlace place = ResidualPlace::kNone;
  const float* scale = nullptr;  ///< of int8's columns, padded like the bias
};

/// Part of a range that is cut into `parts` of nearly the same length.
struct Part {
  std::int64_t begin, end;
};
inline Part part_of(std::int64_t size, std::int64_t part, std::int64_t parts) {
  return {size * part / parts, size * (part + 1) / parts};
}

/// Rows in tiles of nearly the same size, since a tile of few rows uses few of the registers.
struct Tiling {
  std::int64_t rows, tiles;

  Tiling(std::int64_t rows_, std::int64_t largest) : rows(rows_), tiles((rows_ + largest - 1) / largest) {}
  std::int64_t first(std::int64_t tile) const { return rows * tile / tiles; }
  std::int64_t count(std::int64_t tile) const { return first(tile + 1) - first(tile); }
};

std::int64_t product_workspace_floats(const PackedKernels& kernels, std::int64_t k, int threads);

/// y = act(rows · weights + bias …). The workspace has product_workspace_floats().
void run_product(const PackedKernels& kernels, const PixelRows& rows, const PackedMatrix& weights,
                 const Epilogue& epilogue, const PackedOutput& y, const PackedWorkspace& workspace);

}  // namespace rtdetr
