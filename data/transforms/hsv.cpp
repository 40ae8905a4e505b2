#include "data/transforms/hsv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace rtdetr {
namespace {

constexpr int kHues = 180, kShift = 12, kHalf = 1 << (kShift - 1);

/// What is divided by, as OpenCV has it: 255 / v and 30 / range, in 1/4096.
struct Reciprocals {
  std::array<int, 256> saturation{}, hue{};
  Reciprocals() {
    for (int i = 1; i < 256; ++i) {
      saturation[i] = static_cast<int>(std::lrint((255 << kShift) / static_cast<double>(i)));
      hue[i] = static_cast<int>(std::lrint((kHues << kShift) / (6.0 * i)));
    }
  }
};

/// New hue, saturation and value of each old one.
struct ChannelTables {
  std::array<std::uint8_t, 256> hue{}, saturation{}, value{};
  explicit ChannelTables(const HsvChange& change) {
    for (int i = 0; i < 256; ++i) {
      const double turned = std::fmod(i + kHues * change.hue, kHues);
      hue[i] = static_cast<std::uint8_t>(static_cast<int>(turned < 0 ? turned + kHues : turned) % kHues);
      saturation[i] = static_cast<std::uint8_t>(std::clamp(i * change.saturation, 0.0, 255.0));
      value[i] = static_cast<std::uint8_t>(std::clamp(i * change.value, 0.0, 255.0));
    }
  }
};

struct Hsv {
  int hue = 0, saturation = 0, value = 0;
};

Hsv hsv_of(int r, int g, int b) {
  static const Reciprocals reciprocals;
  const int value = std::max({r, g, b}), range = value - std::min({r, g, b});
  const int along = value == r ? g - b : value == g ? b - r + 2 * range : r - g + 4 * range;
  const int hue = (along * reciprocals.hue[range] + kHalf) >> kShift;
  const int saturation = (range * reciprocals.saturation[value] + kHalf) >> kShift;
  return {hue < 0 ? hue + kHues : hue, saturation, value};
}

struct Rgb {
  float r, g, b;  ///< [0, 1]
};

Rgb rgb_of(int hue, int saturation, int value) {
  constexpr float kByte = 1.0f / 255.0f, kSixth = 6.0f / kHues;
  const float turn = static_cast<float>(hue) * kSixth, s = static_cast<float>(saturation) * kByte;
  const float most = static_cast<float>(value) * kByte;
  const int sector = static_cast<int>(turn);
  const float into = turn - static_cast<float>(sector);
  const float least = most * (1 - s), falling = most * (1 - s * into), rising = most * (1 - s * (1 - into));
  switch (sector) {
    case 0:
      return {most, rising, least};
    case 1:
      return {falling, most, least};
    case 2:
      return {least, most, rising};
    case 3:
      return {least, falling, most};
    case 4:
      return {rising, least, most};
    default:
      return {most, least, falling};
  }
}

int byte_of(float value) { return std::clamp(static_cast<int>(std::lrint(value * 255.0f)), 0, 255); }

}  // namespace

HsvChange draw_hsv(const TransformOptions& options, Random& random) {
  const double hue = random.uniform(-options.hsv_h, options.hsv_h);
  const double saturation = 1 + random.uniform(-options.hsv_s, options.hsv_s);
  return {hue, saturation, 1 + random.uniform(-options.hsv_v, options.hsv_v)};
}

void apply_hsv(const HsvChange& change, const ChwView& image) {
  const ChannelTables tables(change);
  for (int y = 0; y < image.height; ++y) {
    float *red = image.row(0, y), *green = image.row(1, y), *blue = image.row(2, y);
    for (int x = 0; x < image.width; ++x) {
      const Hsv old = hsv_of(byte_of(red[x]), byte_of(green[x]), byte_of(blue[x]));
      const Rgb now = rgb_of(tables.hue[old.hue], tables.saturation[old.saturation], tables.value[old.value]);
      red[x] = static_cast<float>(byte_of(now.r)) / 255.0f;
      green[x] = static_cast<float>(byte_of(now.g)) / 255.0f;
      blue[x] = static_cast<float>(byte_of(now.b)) / 255.0f;
    }
  }
}

}  // namespace rtdetr
