#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "data/transforms/photometric.h"
#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

using Bytes = std::vector<std::uint8_t>;

Picture pixels(Bytes rgb) {
  Picture picture(static_cast<int>(rgb.size() / 3), 1);
  picture.rgb = std::move(rgb);
  return picture;
}

Picture apply(const Photometric& photometric, const Picture& picture) {
  Picture result;
  apply_photometric(photometric, picture, PictureWindow::whole(picture), result);
  return result;
}

/// Hue shift of one colour with the types Pillow computes in: ratios in float, sums and products in double, the
/// truncation to 8 bits on the way there and the rounding on the way back (colorsys).
std::array<int, 3> pillow_hue(int r, int g, int b, int shift) {
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  int hue = 0, saturation = 0;
  if (high != low) {
    const float range = static_cast<float>(high - low);
    const float of_r = static_cast<float>(high - r) / range;
    const float of_g = static_cast<float>(high - g) / range;
    const float of_b = static_cast<float>(high - b) / range;
    float angle = of_b - of_g;
    if (r != high) angle = static_cast<float>(g == high ? 2.0 + of_r - of_b : 4.0 + of_g - of_r);
    angle = static_cast<float>(std::fmod(angle / 6.0 + 1.0, 1.0));
    hue = static_cast<int>(angle * 255.0);
    saturation = static_cast<int>(range / static_cast<float>(high) * 255.0);
  }
  hue = (hue + shift) & 255;
  if (saturation == 0) return {high, high, high};
  const int sector = static_cast<int>(std::floor(static_cast<float>(hue) * 6.0 / 255.0));
  const float into = static_cast<float>(static_cast<float>(hue) * 6.0 / 255.0 - sector);
  const float share = static_cast<float>(static_cast<float>(saturation) / 255.0);
  const int v = high;
  const int p = static_cast<int>(std::round(v * (1.0 - share)));
  const int q = static_cast<int>(std::round(v * (1.0 - share * into)));
  const int t = static_cast<int>(std::round(v * (1.0 - share * (1.0 - into))));
  const std::array<std::array<int, 3>, 6> colours{{{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  return colours[sector % 6];
}

}  // namespace

TEST_CASE("brightness multiplies, truncates and clips") {
  CHECK(apply({.brightness = 1.1f}, pixels({0, 100, 255, 9, 10, 231})).rgb == Bytes{0, 110, 255, 9, 11, 254});
  CHECK(apply({.brightness = 0.875f}, pixels({0, 100, 255, 7, 8, 9})).rgb == Bytes{0, 87, 223, 6, 7, 7});
}

TEST_CASE("contrast moves away from the rounded mean of the grey picture") {
  // Greys 10, 11, 20, 21: mean 15.5, rounded to 16. 16 + 1.5 · (10 − 16) = 7, …, 16 + 1.5 · (21 − 16) = 23.5.
  const Picture picture = pixels({10, 10, 10, 11, 11, 11, 20, 20, 20, 21, 21, 21});
  CHECK(apply({.contrast = 1.5f}, picture).rgb == Bytes{7, 7, 7, 8, 8, 8, 22, 22, 22, 23, 23, 23});
  CHECK(apply({.contrast = 0.5f}, picture).rgb == Bytes{13, 13, 13, 13, 13, 13, 18, 18, 18, 18, 18, 18});
}

TEST_CASE("saturation moves each channel away from the pixel's own grey") {
  // Pure red is grey (19595 · 255 + 32768) >> 16 = 76; 76 + 0.5 · (255 − 76) = 165.5, 76 − 38 = 38.
  CHECK(apply({.saturation = 0.5f}, pixels({255, 0, 0})).rgb == Bytes{165, 38, 38});
  CHECK(apply({.saturation = 1.5f}, pixels({255, 0, 0})).rgb == Bytes{255, 0, 0});
  CHECK(apply({.saturation = 1.5f}, pixels({100, 100, 100})).rgb == Bytes{100, 100, 100});
}

TEST_CASE("a hue shift of a third of the circle turns red into green") {
  CHECK(apply({.hue = 85}, pixels({255, 0, 0})).rgb == Bytes{0, 255, 0});
  CHECK(apply({.hue = -85}, pixels({255, 0, 0})).rgb == Bytes{6, 0, 255});  // 171 of 255: 6/255 of a sector past blue
}

TEST_CASE("a hue shift of every colour equals Pillow's arithmetic") {
  for (const int shift : {-7, 12}) {
    for (int r = 0; r < 256; ++r) {
      Picture picture(256, 256);
      for (int g = 0; g < 256; ++g) {
        for (int b = 0; b < 256; ++b) {
          std::uint8_t* pixel = picture.row(g) + 3 * b;
          pixel[0] = static_cast<std::uint8_t>(r);
          pixel[1] = static_cast<std::uint8_t>(g);
          pixel[2] = static_cast<std::uint8_t>(b);
        }
      }
      const Picture result = apply({.hue = shift}, picture);
      int different = 0;
      for (int g = 0; g < 256; ++g) {
        for (int b = 0; b < 256; ++b) {
          const auto want = pillow_hue(r, g, b, shift);
          const std::uint8_t* have = result.row(g) + 3 * b;
          different += want[0] != have[0] || want[1] != have[1] || want[2] != have[2];
        }
      }
      REQUIRE(different == 0);
    }
  }
}

TEST_CASE("a channel permutation names the source of each channel") {
  CHECK(apply({.channels = {2, 0, 1}}, pixels({1, 2, 3, 4, 5, 6})).rgb == Bytes{3, 1, 2, 6, 4, 5});
}

TEST_CASE("a whole draw is its operations one after the other, contrast first or last") {
  const Picture picture = test::noise_picture(150, 7, 1);
  for (const bool first : {true, false}) {
    const Photometric all{.brightness = 1.1f,
                          .contrast = 0.6f,
                          .saturation = 1.4f,
                          .hue = -9,
                          .contrast_first = first,
                          .channels = {1, 2, 0}};
    Picture steps = apply({.brightness = 1.1f}, picture);
    if (first) steps = apply({.contrast = 0.6f}, steps);
    steps = apply({.saturation = 1.4f}, steps);
    steps = apply({.hue = -9}, steps);
    if (!first) steps = apply({.contrast = 0.6f}, steps);
    steps = apply({.channels = {1, 2, 0}}, steps);
    CHECK(apply(all, picture).rgb == steps.rgb);
  }
}

TEST_CASE("a window gives the same colours as the whole picture") {
  const Picture picture = test::noise_picture(300, 20, 2);
  const PictureWindow window{37, -5, 200, 18};
  for (std::uint64_t index = 0; index < 50; ++index) {
    Random random(1, RandomPurpose::kAugmentation, 0, index);
    const Photometric drawn = draw_photometric(0.7, random);
    Picture part;
    apply_photometric(drawn, picture, window, part);
    CHECK(cut(part, window).rgb == cut(apply(drawn, picture), window).rgb);
  }
}

}  // namespace rtdetr
