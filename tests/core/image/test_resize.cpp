#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/image/chw.h"
#include "core/image/resize.h"
#include "core/io/safetensors.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;
using test::kFixtures;

namespace {

Picture read_pixels(const SafetensorsReader& reader, const std::string& name) {
  const TensorEntry* entry = reader.find(name);
  REQUIRE(entry);
  Picture picture(static_cast<int>(entry->shape[1]), static_cast<int>(entry->shape[0]));
  reader.read(*entry, std::as_writable_bytes(std::span(picture.rgb)));
  return picture;
}

int largest_difference(const Picture& a, const Picture& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

}  // namespace

TEST_CASE("resizing gives the bytes that Pillow and OpenCV give") {
  const SafetensorsReader fixture(kFixtures / "preprocess.safetensors");
  const Picture input = read_pixels(fixture, "resize.input");
  int compared = 0;
  for (const TensorEntry& entry : fixture.entries()) {
    const bool pillow = entry.name.starts_with("resize.pillow_bilinear.");
    const bool opencv = entry.name.starts_with("resize.opencv_linear.");
    if (!pillow && !opencv) continue;
    INFO(entry.name);
    const Picture expected = read_pixels(fixture, entry.name);
    const Picture resized = resize(input, expected.width, expected.height,
                                   pillow ? Resampling::kPillowBilinear : Resampling::kOpencvLinear);
    REQUIRE(resized.rgb.size() == expected.rgb.size());
    CHECK(largest_difference(resized, expected) == 0);
    ++compared;
  }
  CHECK(compared == 12);
}

TEST_CASE("the official pipeline's picture is matched from file to 640x640") {
  const SafetensorsReader fixture(kFixtures / "preprocess.safetensors");
  for (const std::string name : {"kitchen", "cells"}) {
    INFO(name);
    const Picture resized = resize(read_picture(kFixtures / "images" / (name + ".jpg")), 640, 640);
    const TensorEntry* entry = fixture.find(name + ".official.rows3");
    REQUIRE(entry);
    std::vector<float> rows(entry->bytes / sizeof(float));
    fixture.read(*entry, std::as_writable_bytes(std::span(rows)));
    std::size_t wrong = 0;
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 640; ++x) {
          wrong += static_cast<float>(resized.row(y)[x * 3 + c]) / 255.0f !=
                   rows[static_cast<std::size_t>((c * 3 + y) * 640 + x)];
        }
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("one pixel fills any size, and a flat picture stays flat") {
  Picture pixel(1, 1);
  pixel.rgb = {10, 200, 255};
  for (const auto method : {Resampling::kPillowBilinear, Resampling::kOpencvLinear}) {
    const Picture grown = resize(pixel, 7, 5, method);
    for (std::size_t i = 0; i < grown.rgb.size(); ++i) CHECK(grown.rgb[i] == pixel.rgb[i % 3]);
    Picture flat(50, 40);
    std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{255});
    const Picture shrunk = resize(flat, 1, 1, method);
    CHECK(shrunk.rgb == std::vector<std::uint8_t>{255, 255, 255});
  }
}

TEST_CASE("a size without pixels is refused") {
  CHECK_THROWS_AS(resize(Picture(2, 2), 0, 5), InternalError);
  CHECK_THROWS_AS(resize(Picture(), 5, 5), InternalError);
}

TEST_CASE("every instruction set resizes to the same bits") {
  Random random(7, RandomPurpose::kAugmentation, 0, 0);
  const auto below = [&](int limit) { return static_cast<int>(random.below(static_cast<std::uint64_t>(limit))); };
  for (int trial = 0; trial < 400; ++trial) {
    Picture picture(1 + below(120), 1 + below(60));
    for (std::uint8_t& byte : picture.rgb) byte = static_cast<std::uint8_t>(below(256));
    // Stretched and shrunk, mirrored, beyond every edge.
    const PictureWindow window{below(picture.width) - 20,
                               below(picture.height) - 10,
                               1 + below(130),
                               1 + below(70),
                               below(2) == 1,
                               below(2) == 1};
    const int width = 1 + below(200), height = 1 + below(90);
    INFO("picture " << picture.width << "x" << picture.height << ", window " << window.x << " " << window.y << " "
                    << window.width << "x" << window.height << ", to " << width << "x" << height);
    const auto resized_at = [&](CpuLevel level) {
      set_cpu_level(level);
      std::vector<float> out(static_cast<std::size_t>(3) * width * height, -1.0f);
      resize_to_chw_float(picture, window, width, height, Resampling::kPillowBilinear, out.data());
      set_cpu_level(best_cpu_level());
      return out;
    };
    const std::vector<float> plain = resized_at(CpuLevel::kBaseline);
    REQUIRE(resized_at(CpuLevel::kAvx2) == plain);
    REQUIRE(resized_at(CpuLevel::kAvx512) == plain);
  }
}
