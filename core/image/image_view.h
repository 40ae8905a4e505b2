#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>

#include "core/image/rgb_view.h"

namespace rtdetr {

/// What the bytes of a picture stand for.
enum class PixelFormat {
  kRgb,   ///< 3 bytes a pixel
  kBgr,   ///< OpenCV's order
  kRgba,  ///< 4 bytes a pixel; the fourth, alpha or none, does not count
  kBgra,
  kGray,       ///< 1 byte a pixel
  kNv12,       ///< a plane of luma Y', then one of chroma, Cb and Cr in turn for each 2 x 2 pixels; BT.601, Y' 16…235
  kNv12Bt709,  ///< the same with the colours of HD video, BT.709
};

/// A picture in somebody's memory, in any of these formats; rows top to bottom.
struct ImageView {
  const std::uint8_t* data = nullptr;  ///< NV12: the plane of luma
  int width = 0;
  int height = 0;
  std::ptrdiff_t stride = 0;  ///< bytes from one row to the next, at least row_bytes(); 0 = row_bytes()
  PixelFormat format = PixelFormat::kRgb;
  const std::uint8_t* chroma = nullptr;  ///< NV12: its second plane; nullptr = right behind the first
  std::ptrdiff_t chroma_stride = 0;      ///< NV12: bytes from one row of it to the next; 0 = as in the first, for odd
                                         ///< widths one more
  /// Size of the picture that this is a smaller rendition of: boxes are in its pixels. Both or none; 0 = width,
  /// height.
  int full_width = 0;
  int full_height = 0;

  static ImageView of(const RgbView& rgb) {
    return {rgb.data, rgb.width, rgb.height,     rgb.stride,     PixelFormat::kRgb,
            nullptr,  0,         rgb.full_width, rgb.full_height};
  }

  bool is_nv12() const { return format == PixelFormat::kNv12 || format == PixelFormat::kNv12Bt709; }
  int bytes_per_pixel() const {
    if (format == PixelFormat::kRgb || format == PixelFormat::kBgr) return 3;
    return format == PixelFormat::kRgba || format == PixelFormat::kBgra ? 4 : 1;
  }
  std::ptrdiff_t row_bytes() const { return std::ptrdiff_t{bytes_per_pixel()} * width; }
  std::ptrdiff_t step() const { return stride != 0 ? stride : row_bytes(); }
  const std::uint8_t* row(int y) const { return data + y * step(); }

  std::ptrdiff_t chroma_row_bytes() const { return std::ptrdiff_t{2} * ((width + 1) / 2); }
  std::ptrdiff_t chroma_step() const {
    if (chroma_stride != 0) return chroma_stride;
    return step() > chroma_row_bytes() ? step() : chroma_row_bytes();
  }
  /// Cb and Cr of row y of the picture.
  const std::uint8_t* chroma_row(int y) const {
    return (chroma ? chroma : data + height * step()) + y / 2 * chroma_step();
  }
};

}  // namespace rtdetr
