#include "data/transforms/photometric.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/simd.h"

// Pillow's colour operations work on one pixel at a time, all but the mean that contrast needs. So a row is taken in
// blocks through all of them while it is in the nearest cache: split into planes, changed, put together again.
// Everything is written as loops over plain arrays that the compiler turns into vector code; the float expressions
// were checked against Pillow's mixed float/double ones over their whole domains
// (tests/data/transforms/test_transforms_color.cpp).

namespace rtdetr {
namespace {

constexpr int kBlock = 128;

/// Pixels of a block, one array per channel.
struct Planes {
  alignas(64) std::uint8_t channel[3][kBlock];
};

/// Pillow's blend away from or towards one value: truncated, clipped.
struct Blend {
  int base = 0;
  float factor = 1;
};

RTDETR_SIMD void blend_bytes(const Blend& blend, std::uint8_t* bytes, int count) {
  const int base = blend.base;
  const float level = static_cast<float>(base), factor = blend.factor;
  for (int i = 0; i < count; ++i) {
    const float mixed = level + factor * static_cast<float>(bytes[i] - base);
    bytes[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(mixed), 0, 255));
  }
}

/// Pillow's conversion to grey.
inline int grey(int r, int g, int b) { return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16; }

RTDETR_SIMD void saturate(Planes& planes, float factor) {
  std::uint8_t *r = planes.channel[0], *g = planes.channel[1], *b = planes.channel[2];
  for (int i = 0; i < kBlock; ++i) {
    const int base = grey(r[i], g[i], b[i]);
    const float level = static_cast<float>(base);
    const float mixed_r = level + factor * static_cast<float>(r[i] - base);
    const float mixed_g = level + factor * static_cast<float>(g[i] - base);
    const float mixed_b = level + factor * static_cast<float>(b[i] - base);
    r[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(mixed_r), 0, 255));
    g[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(mixed_g), 0, 255));
    b[i] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(mixed_b), 0, 255));
  }
}

/// condition ? a : b without a branch, so that loops with it become vector code.
inline int pick(bool condition, int a, int b) { return b ^ ((a ^ b) & -static_cast<int>(condition)); }

/// RGB → Pillow's 8-bit HSV → hue + shift → RGB.
RTDETR_SIMD void shift_hue(Planes& planes, int shift) {
  constexpr float kTiny = 1e-20f;  // keeps a divisor off zero and changes no other
  std::uint8_t *red = planes.channel[0], *green = planes.channel[1], *blue = planes.channel[2];
  for (int i = 0; i < kBlock; ++i) {
    const int r = red[i], g = green[i], b = blue[i];
    const int largest = std::max(std::max(r, g), b), smallest = std::min(std::min(g, b), r);
    const int middle = r + g + b - largest - smallest;
    const int range = largest - smallest;
    // Hue in sixths of the circle: twice the leading channel's number, plus or minus what the middle one lacks of it.
    const float part = static_cast<float>(largest - middle) / (static_cast<float>(range) + kTiny);
    const int leader = pick(r == largest, 0, pick(g == largest, 1, 2));
    const int opposite = pick(leader == 0, b, pick(leader == 1, r, g));
    const int sign = pick(opposite == smallest, 1, -1);
    float turn = (static_cast<float>(2 * leader + sign) - static_cast<float>(sign) * part) / 6.0f;
    turn += static_cast<float>((leader == 0) & (sign < 0));  // below zero: once round the circle
    const int hue = (static_cast<int>(turn * 255.0f) + shift) & 255;
    const int saturation = static_cast<int>(static_cast<float>(255 * range) / (static_cast<float>(largest) + kTiny));

    // Back again: the sector of the circle and how far into it; all colours there have one channel at its largest,
    // one at its smallest and one between.
    const int scaled = 6 * hue;
    const int sector = (scaled + 1 + (scaled >> 8)) >> 8;  // scaled / 255
    const int into = scaled - 255 * sector;
    const int weight = pick((sector & 1) != 0, into, 255 - into);
    const int low = static_cast<int>(static_cast<float>(2 * largest * (255 - saturation) + 255) * (1.0f / 510.0f));
    const int between =
        static_cast<int>(static_cast<float>(largest * (65025 - saturation * weight)) * (1.0f / 65025.0f) + 0.5f);
    const int s = pick(sector == 6, 0, sector);
    const auto level = [&](int top1, int top2, int between1, int between2) {
      return static_cast<std::uint8_t>(
          pick(s == top1, largest,
               pick(s == top2, largest, pick(s == between1, between, pick(s == between2, between, low)))));
    };
    red[i] = level(0, 5, 1, 4);
    green[i] = level(1, 2, 0, 3);
    blue[i] = level(3, 4, 2, 5);
  }
}

RTDETR_SIMD void load_block(const std::uint8_t* rgb, int size, Planes& planes) {
  std::uint8_t *r = planes.channel[0], *g = planes.channel[1], *b = planes.channel[2];
  for (int i = 0; i < size; ++i) {
    r[i] = rgb[3 * i];
    g[i] = rgb[3 * i + 1];
    b[i] = rgb[3 * i + 2];
  }
}

RTDETR_SIMD void store_block(const Planes& planes, int size, const std::array<int, 3>& channels, std::uint8_t* rgb) {
  const std::uint8_t *r = planes.channel[channels[0]], *g = planes.channel[channels[1]],
                     *b = planes.channel[channels[2]];
  for (int i = 0; i < size; ++i) {
    rgb[3 * i] = r[i];
    rgb[3 * i + 1] = g[i];
    rgb[3 * i + 2] = b[i];
  }
}

RTDETR_SIMD std::int64_t sum_of_grey(const Planes& planes, int size) {
  const std::uint8_t *r = planes.channel[0], *g = planes.channel[1], *b = planes.channel[2];
  int sum = 0;
  for (int i = 0; i < size; ++i) sum += grey(r[i], g[i], b[i]);
  return sum;
}

/// The visible part of the picture: columns [x0, x1), rows [y0, y1).
struct Area {
  int x0, x1, y0, y1;
  static Area visible(const Picture& picture, const PictureWindow& window) {
    return {std::max(window.x, 0), std::min(window.x + window.width, picture.width), std::max(window.y, 0),
            std::min(window.y + window.height, picture.height)};
  }
  static Area whole(const Picture& picture) { return {0, picture.width, 0, picture.height}; }
};

/// Calls visit(bytes, count of pixels) for the blocks of an area.
template <class Visit>
void for_each_block(const Picture& picture, const Area& area, const Visit& visit) {
  for (int y = area.y0; y < area.y1; ++y) {
    for (int x = area.x0; x < area.x1; x += kBlock) {
      visit(static_cast<std::size_t>(y) * picture.width * 3 + 3 * static_cast<std::size_t>(x),
            std::min(kBlock, area.x1 - x));
    }
  }
}

/// Pillow's contrast pivot: the rounded mean of the grey picture.
int rounded_mean(std::int64_t sum, const Picture& picture) {
  return static_cast<int>(static_cast<double>(sum) / (static_cast<double>(picture.width) * picture.height) + 0.5);
}

/// What happens to every channel by itself before channels are mixed: brightness, then contrast if it comes first.
using Blends = std::vector<Blend>;

void blend_planes(const Blends& blends, Planes& planes) {
  std::uint8_t* bytes = planes.channel[0];
  for (const Blend& blend : blends) blend_bytes(blend, bytes, 3 * kBlock);
}

int mean_grey(const Picture& picture, const Blends& blends) {
  std::int64_t sum = 0;
  Planes planes{};
  for_each_block(picture, Area::whole(picture), [&](std::size_t offset, int size) {
    load_block(picture.rgb.data() + offset, size, planes);
    blend_planes(blends, planes);
    sum += sum_of_grey(planes, size);
  });
  return rounded_mean(sum, picture);
}

}  // namespace

Photometric draw_photometric(double probability, Random& random) {
  const auto factor = [&](double low, double high) -> std::optional<float> {
    if (!random.chance(probability)) return std::nullopt;
    return static_cast<float>(random.uniform(low, high));
  };
  Photometric drawn;
  drawn.brightness = factor(0.875, 1.125);
  drawn.contrast = factor(0.5, 1.5);
  drawn.saturation = factor(0.5, 1.5);
  if (const auto turn = factor(-0.05, 0.05)) drawn.hue = static_cast<int>(*turn * 255.0);
  drawn.contrast_first = random.chance(0.5);
  if (random.chance(probability)) {
    for (int i = 2; i > 0; --i) std::swap(drawn.channels[i], drawn.channels[random.below(i + 1)]);
  }
  return drawn;
}

void apply_photometric(const Photometric& photometric, const Picture& picture, const PictureWindow& window,
                       Picture& result) {
  result.width = picture.width;
  result.height = picture.height;
  result.rgb.resize(picture.rgb.size());
  const bool mixes_channels = photometric.saturation || photometric.hue;
  const bool contrast_last = photometric.contrast && !photometric.contrast_first && mixes_channels;
  Blends before;
  if (photometric.brightness) before.push_back({0, *photometric.brightness});
  if (photometric.contrast && !contrast_last) before.push_back({mean_grey(picture, before), *photometric.contrast});
  // A contrast that comes last needs the mean of all that comes before it, so the whole picture is computed.
  const Area visible = Area::visible(picture, window);
  std::int64_t grey_sum = 0;
  Planes planes{};
  for_each_block(picture, contrast_last ? Area::whole(picture) : visible, [&](std::size_t offset, int size) {
    load_block(picture.rgb.data() + offset, size, planes);
    blend_planes(before, planes);
    if (photometric.saturation) saturate(planes, *photometric.saturation);
    if (photometric.hue) shift_hue(planes, *photometric.hue);
    if (contrast_last) grey_sum += sum_of_grey(planes, size);
    store_block(planes, size, photometric.channels, result.rgb.data() + offset);
  });
  if (!contrast_last) return;
  const Blend last{rounded_mean(grey_sum, picture), *photometric.contrast};
  for_each_block(picture, visible,
                 [&](std::size_t offset, int size) { blend_bytes(last, result.rgb.data() + offset, 3 * size); });
}

}  // namespace rtdetr
