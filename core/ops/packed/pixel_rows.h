#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/ops/packed/packed_kernels.h"

namespace rtdetr {

/// Rows of pixels that a convolution multiplies with its weights: for each output pixel the taps (row, column) of its
/// window, `channels` numbers each, zeros outside the map.
struct PixelRows {
  PackedInput map;
  std::int64_t channels = 0;
  std::int64_t kernel_h = 1, kernel_w = 1, stride = 1, padding = 0, dilation = 1;
  std::int64_t out_height = 1, out_width = 1;
  ByteScale bytes = {};  ///< of int8 kernels

  std::int64_t count() const { return map.batch * out_height * out_width; }
  /// Lines of the map that `count` lines of the output see, those outside included.
  std::int64_t seen_lines(std::int64_t count) const { return (count - 1) * stride + (kernel_h - 1) * dilation + 1; }
  /// Of a window of one pixel: the whole batch as one line.
  void join_pixels();
};

/// Copies windows into the row panels of a product. Windows inside the map that lie in one line are copied together by
/// whole vectors, the others number by number.
class PixelGather {
 public:
  PixelGather(const PackedKernels& kernels, const PixelRows& rows);
  /// Rows [first, first + rows) into a row panel.
  void gather(std::int64_t first, std::int64_t rows, float* panel) const;
  /// Where a row lies in the map, and the next ones `step_bytes()` behind it; nullptr if a row is not one run there.
  const std::byte* source(std::int64_t row) const {
    return p_.kernel_h * p_.kernel_w == 1 && p_.map.height == 1 ? (p_.map.data + row * step()).data : nullptr;
  }
  std::int64_t step_bytes() const { return step() * p_.map.data.number_bytes(); }
  /// Whether tiles may read the rows where they lie: each is whole chunks of the product's own numbers.
  bool lies_ready() const {
    return kernels_.has_tiles() && p_.map.data.format == kernels_.format && source(0) &&
           p_.channels % kernels_.chunk == 0;
  }

 private:
  struct Window {
    std::int64_t image, row, column;
  };
  Window window_of(std::int64_t pixel) const;
  std::int64_t step() const { return p_.stride * p_.map.pixel_stride; }
  std::int64_t offset_of(const Window& window) const;
  std::int64_t inner_run(const Window& window, std::int64_t first, std::int64_t rows) const;
  void gather_window(const Window& window, float* row, std::int64_t rows) const;
  void clear_end(std::int64_t rows, float* panel) const;

  const PackedKernels& kernels_;
  PixelRows p_;
  bool joined_;  ///< taps of a window's line are neighbours in memory
  std::vector<CopyPiece> pieces_;
  std::int64_t reach_ = 0;  ///< numbers from a window's first one that copying it by vectors may read
};

}  // namespace rtdetr
