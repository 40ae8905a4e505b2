#include "core/image/rgb_rows.h"

#include <algorithm>
#include <cstring>

#include "core/base/simd.h"

namespace rtdetr {
namespace {

constexpr int kYuvBits = 14;

/// What luma and chroma count in red, green and blue, times 2^14.
struct YuvWeights {
  int luma, red_cr, green_cb, green_cr, blue_cb;
};

/// ITU-R BT.601 and BT.709 differ in the shares of red and blue in luma. Luma is 16…235, chroma 128 ± 112.
constexpr YuvWeights yuv_weights(double red, double blue) {
  const double green = 1 - red - blue, chroma = 255.0 / 224 * (1 << kYuvBits);
  const auto rounded = [](double value) { return static_cast<int>(value < 0 ? value - 0.5 : value + 0.5); };
  return {.luma = rounded(255.0 / 219 * (1 << kYuvBits)),
          .red_cr = rounded(2 * (1 - red) * chroma),
          .green_cb = rounded(-2 * blue * (1 - blue) / green * chroma),
          .green_cr = rounded(-2 * red * (1 - red) / green * chroma),
          .blue_cb = rounded(2 * (1 - blue) * chroma)};
}

constexpr YuvWeights kBt601 = yuv_weights(0.299, 0.114), kBt709 = yuv_weights(0.2126, 0.0722);

std::uint8_t byte_of(int sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kYuvBits, 0, 255)); }

RTDETR_SIMD void nv12_row(const std::uint8_t* luma, const std::uint8_t* chroma, int width, const YuvWeights& weights,
                          std::uint8_t* rgb) {
  constexpr int kHalf = 1 << (kYuvBits - 1);
  for (int x = 0; x < width; ++x) {
    const std::uint8_t* pair = chroma + (x & ~1);
    const int y = weights.luma * (luma[x] - 16) + kHalf, cb = pair[0] - 128, cr = pair[1] - 128;
    rgb[3 * x] = byte_of(y + weights.red_cr * cr);
    rgb[3 * x + 1] = byte_of(y + weights.green_cb * cb + weights.green_cr * cr);
    rgb[3 * x + 2] = byte_of(y + weights.blue_cb * cb);
  }
}

/// @param red, blue  their places in a pixel
template <int kBytes, int kRed, int kBlue>
RTDETR_INLINE void reordered_row(const std::uint8_t* pixels, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x) {
    rgb[3 * x] = pixels[kBytes * x + kRed];
    rgb[3 * x + 1] = pixels[kBytes * x + 1];
    rgb[3 * x + 2] = pixels[kBytes * x + kBlue];
  }
}

RTDETR_SIMD void bgr_row(const std::uint8_t* row, int width, std::uint8_t* rgb) {
  reordered_row<3, 2, 0>(row, width, rgb);
}
RTDETR_SIMD void rgba_row(const std::uint8_t* row, int width, std::uint8_t* rgb) {
  reordered_row<4, 0, 2>(row, width, rgb);
}
RTDETR_SIMD void bgra_row(const std::uint8_t* row, int width, std::uint8_t* rgb) {
  reordered_row<4, 2, 0>(row, width, rgb);
}
RTDETR_SIMD void gray_row(const std::uint8_t* row, int width, std::uint8_t* rgb) {
  for (int i = 0; i < width; ++i) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = row[i];
}

void convert_row(const ImageView& picture, int y, std::uint8_t* rgb) {
  const std::uint8_t* row = picture.row(y);
  switch (picture.format) {
    case PixelFormat::kRgb:
      std::memcpy(rgb, row, static_cast<std::size_t>(picture.row_bytes()));
      return;
    case PixelFormat::kBgr:
      return bgr_row(row, picture.width, rgb);
    case PixelFormat::kRgba:
      return rgba_row(row, picture.width, rgb);
    case PixelFormat::kBgra:
      return bgra_row(row, picture.width, rgb);
    case PixelFormat::kGray:
      return gray_row(row, picture.width, rgb);
    case PixelFormat::kNv12:
      return nv12_row(row, picture.chroma_row(y), picture.width, kBt601, rgb);
    case PixelFormat::kNv12Bt709:
      return nv12_row(row, picture.chroma_row(y), picture.width, kBt709, rgb);
  }
}

}  // namespace

RgbRows::RgbRows(const ImageView& picture, int kept, int read_ahead)
    : picture_(picture),
      kept_(kept),
      read_ahead_(read_ahead),
      row_bytes_(static_cast<std::size_t>(picture.width) * 3 + static_cast<std::size_t>(read_ahead)) {}

const std::uint8_t* RgbRows::row(int y) {
  const auto bytes_after = picture_.row(picture_.height - 1) - picture_.row(y);
  if (picture_.format == PixelFormat::kRgb && bytes_after >= read_ahead_) return picture_.row(y);
  if (ring_.empty()) {
    ring_.resize(static_cast<std::size_t>(kept_) * row_bytes_);
    held_.assign(static_cast<std::size_t>(kept_), -1);
  }
  const auto place = static_cast<std::size_t>(y % kept_);
  std::uint8_t* rgb = ring_.data() + place * row_bytes_;
  if (held_[place] != y) convert_row(picture_, y, rgb);
  held_[place] = y;
  return rgb;
}

Picture to_rgb(const ImageView& picture) {
  Picture rgb(picture.width, picture.height);
  for (int y = 0; y < picture.height; ++y) convert_row(picture, y, rgb.row(y));
  return rgb;
}

}  // namespace rtdetr
