#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "core/image/picture.h"

namespace rtdetr::test {

/// Random bytes: any slip of a pixel or a weight shows.
inline Picture noise_picture(int width, int height, std::uint64_t seed) {
  Picture picture(width, height);
  Random random(seed, RandomPurpose::kAugmentation, 0, 0);
  for (std::uint8_t& byte : picture.rgb) byte = static_cast<std::uint8_t>(random.below(256));
  return picture;
}

/// One colour with a rectangle [x0, x1) × [y0, y1) of another.
struct Colour {
  std::uint8_t r = 0, g = 0, b = 0;
};
inline Picture rectangle_picture(int width, int height, Colour ground, int x0, int y0, int x1, int y1, Colour colour) {
  Picture picture(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Colour c = x >= x0 && x < x1 && y >= y0 && y < y1 ? colour : ground;
      std::uint8_t* pixel = picture.row(y) + 3 * x;
      pixel[0] = c.r;
      pixel[1] = c.g;
      pixel[2] = c.b;
    }
  }
  return picture;
}

/// Extent of the pixels of a [3, height, width] picture where red outweighs blue, xyxy; nothing red: all zero.
inline std::array<float, 4> red_extent(const std::vector<float>& chw, int width, int height) {
  const std::size_t plane = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  std::array<float, 4> extent{static_cast<float>(width), static_cast<float>(height), 0, 0};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::size_t at =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
      if (chw[at] <= 0.5f || chw[2 * plane + at] >= 0.5f) continue;
      extent[0] = std::min(extent[0], static_cast<float>(x));
      extent[1] = std::min(extent[1], static_cast<float>(y));
      extent[2] = std::max(extent[2], static_cast<float>(x + 1));
      extent[3] = std::max(extent[3], static_cast<float>(y + 1));
    }
  }
  return extent[0] < extent[2] ? extent : std::array<float, 4>{};
}

}  // namespace rtdetr::test
