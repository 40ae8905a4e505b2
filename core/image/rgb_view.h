#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>

namespace rtdetr {

/// A picture in somebody's memory: RGB bytes, rows top to bottom.
struct RgbView {
  const std::uint8_t* data = nullptr;
  int width = 0;
  int height = 0;
  std::ptrdiff_t stride = 0;  ///< bytes from one row to the next, at least width · 3; 0 = width · 3
  /// Size of the picture that this is a smaller rendition of: boxes are in its pixels. Both or none; 0 = width,
  /// height.
  int full_width = 0;
  int full_height = 0;

  std::ptrdiff_t row_bytes() const { return std::ptrdiff_t{3} * width; }
  std::ptrdiff_t step() const { return stride != 0 ? stride : row_bytes(); }
  const std::uint8_t* row(int y) const { return data + y * step(); }
};

}  // namespace rtdetr
