#pragma once

#include <cstdint>

#include "core/ops/packed/packed_map.h"

namespace rtdetr {

/// A run of output pixels of a pool, whose windows have the same cells: each becomes the largest numbers of its cells,
/// at least `number`, or their sums times `number`. Both maps are of the format of `to`.
struct PooledRun {
  const ConstMapData* cells;  ///< of the first pixel
  std::int64_t cell_count;
  bool largest;
  float number;
  MapData to;
  std::int64_t pixels, channels;
  std::int64_t from_step, to_step;  ///< from pixel to pixel
};

/// Maps of bf16 with AVX512_BF16 alone.
void pool(const PooledRun& run);

}  // namespace rtdetr
