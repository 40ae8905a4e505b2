#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/packed/filter_view.h"
#include "core/ops/packed/packed_product.h"
#include "core/ops/packed/winograd_kernels.h"

namespace rtdetr {

/// A 3×3 convolution of stride 1 by Winograd's F(M×M, 3×3): (M + 2)² products instead of 9·M² for M×M outputs. Blocks
/// of tiles are transformed, multiplied and transformed back while they are in the second-level cache. Filters are kept
/// as they are and transformed at each call, which takes a fiftieth of it: transformed, they are 16/9 or 4 times as
/// many.
class WinogradConv {
 public:
  /// @param kernels  of float32 or bf16: the format of what is transformed  @param filters  are copied
  /// @param outputs  M: 2 or 4
  WinogradConv(const PackedKernels& kernels, std::int64_t in, std::int64_t out, std::int64_t padding,
               const FilterView& filters, int outputs);

  std::int64_t workspace_floats(int threads) const { return transformed_floats() + threads * part_floats(); }
  void run(const PackedInput& x, const Epilogue& epilogue, const PackedOutput& y,
           const PackedWorkspace& workspace) const;
  std::size_t bytes() const { return filters_.bytes(); }

 private:
  struct Map;
  void pack(const FilterView& filters, std::int64_t panel, const Part& channels);
  std::int64_t numbers() const { return (outputs_ + 2) * (outputs_ + 2); }
  std::int64_t depth() const { return kernels_->row_words(in_); }
  std::int64_t filter_words() const;
  std::int64_t number_stride(std::int64_t panel) const;
  std::int64_t panel_stride() const { return numbers() * number_stride(0); }
  std::int64_t transformed_floats() const { return filters_.panels() * panel_stride(); }
  std::int64_t part_floats() const;
  std::int64_t block_tiles() const;
  void transform_filters(const Part& words, float* u) const;
  void run_part(const Map& map, const Part& tiles, const Part& panels, float* workspace) const;
  void transform_block(const Map& map, const Part& tiles, float* v) const;
  void multiply_block(const Map& map, const Part& tiles, std::int64_t panel, const Part& next, const float* v,
                      float* sums) const;
  const std::byte* fresh_pixels(const Map& map, std::int64_t tile, std::int64_t line) const;
  void finish_block(const Map& map, const Part& tiles, std::int64_t panel, const float* sums) const;

  const PackedKernels* kernels_;
  const WinogradKernels* transforms_;
  int outputs_;
  std::int64_t in_, out_, padding_;
  PackedMatrix filters_;  ///< [in · 9, out]
  AlignedFloats zeros_;   ///< a pixel outside the map
};

}  // namespace rtdetr
