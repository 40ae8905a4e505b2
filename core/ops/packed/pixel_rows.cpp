#include "core/ops/packed/packed_product.h"

namespace rtdetr {
namespace {

/// Where an output pixel's window begins.
struct Window {
  std::int64_t image, row, column;
};

Window window_of(const PixelRows& p, std::int64_t pixel) {
  const std::int64_t in_image = pixel % (p.out_height * p.out_width);
  return {pixel / (p.out_height * p.out_width), in_image / p.out_width * p.stride - p.padding,
          in_image % p.out_width * p.stride - p.padding};
}

struct RowWriter {
  const PackedKernels& kernels;
  float* row;
  std::int64_t rows, k = 0;

  void add(const float* from, std::int64_t count) {
    if (count <= 0) return;
    kernels.copy_run(from, count, row, k, rows);
    k += count;
  }
};

/// One row of the window, whose taps are neighbours in memory.
void add_joined_taps(const PixelRows& p, const float* line, std::int64_t column, RowWriter& to) {
  const std::int64_t left = std::clamp<std::int64_t>(-column, 0, p.kernel_w),
                     right = std::clamp<std::int64_t>(column + p.kernel_w - p.map.width, 0, p.kernel_w - left);
  to.add(nullptr, left * p.channels);
  to.add(line + (column + left) * p.channels, (p.kernel_w - left - right) * p.channels);
  to.add(nullptr, right * p.channels);
}

void add_taps(const PixelRows& p, const float* line, std::int64_t column, RowWriter& to) {
  for (std::int64_t s = 0; s < p.kernel_w; ++s, column += p.dilation) {
    const bool inside = column >= 0 && column < p.map.width;
    to.add(inside ? line + column * p.map.pixel_stride : nullptr, p.channels);
  }
}

}  // namespace

void PixelRows::gather(const PackedKernels& kernels, std::int64_t first, std::int64_t rows, float* panel) const {
  const bool joined = map.pixel_stride == channels && dilation == 1;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Window window = window_of(*this, first + r);
    RowWriter to{kernels, panel + r * kChunk, rows};
    for (std::int64_t t = 0; t < kernel_h; ++t) {
      const std::int64_t row = window.row + t * dilation;
      if (row < 0 || row >= map.height) {
        to.add(nullptr, kernel_w * channels);
        continue;
      }
      const float* line = map.data + (window.image * map.height + row) * map.width * map.pixel_stride;
      joined ? add_joined_taps(*this, line, window.column, to) : add_taps(*this, line, window.column, to);
    }
  }
}

}  // namespace rtdetr
