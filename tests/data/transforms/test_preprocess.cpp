#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "core/image/chw.h"
#include "core/image/picture.h"
#include "core/image/resize.h"
#include "core/io/safetensors.h"
#include "tests/support/fixtures.h"

// A picture on its way to the model against the reference's pipelines: decoded, resized, as floats
// (tests/fixtures/preprocess.safetensors; whose numbers they are: tests/fixtures/README.md).

namespace rtdetr {
namespace {

using test::kFixtures;

const SafetensorsReader& fixture() {
  static const SafetensorsReader reader(kFixtures / "preprocess.safetensors");
  return reader;
}

template <class T>
std::vector<T> values(const std::string& name) {
  const TensorEntry* entry = fixture().find(name);
  INFO(name);
  REQUIRE(entry != nullptr);
  REQUIRE(entry->bytes % sizeof(T) == 0);
  std::vector<T> result(entry->bytes / sizeof(T));
  fixture().read(*entry, std::as_writable_bytes(std::span(result)));
  return result;
}

Picture picture_of(const std::string& name) { return read_picture(kFixtures / "images" / (name + ".jpg")); }

/// A line for scripts/parity: values that are not the reference's, of which there may be none.
void report(const std::string& what, int different) {
  std::printf("preprocess %-28s %d of 0\n", what.c_str(), different);
  CHECK(different == 0);
}

/// The first three rows and 64 scattered pixels of a [3, H, W] picture against the fixture.
template <class T, class At>
void check_probes(const std::string& prefix, int width, const At& at) {
  const auto rows = values<T>(prefix + ".rows3");
  REQUIRE(rows.size() == static_cast<std::size_t>(9) * width);
  int different = 0;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < width; ++x)
        different += at(c, y, x) != rows[(static_cast<std::size_t>(c) * 3 + y) * width + x];
    }
  }
  const auto samples = values<T>(prefix + ".samples");
  const auto ys = values<std::int64_t>(prefix + ".sample_y"), xs = values<std::int64_t>(prefix + ".sample_x");
  for (std::size_t i = 0; i < ys.size(); ++i) {
    for (int c = 0; c < 3; ++c) {
      different +=
          at(c, static_cast<int>(ys[i]), static_cast<int>(xs[i])) != samples[3 * i + static_cast<std::size_t>(c)];
    }
  }
  report(prefix, different);
}

}  // namespace

TEST_CASE("decoded pictures are Pillow's and OpenCV's", "[preprocess]") {
  for (const std::string name : {"kitchen", "cells"}) {
    const Picture picture = picture_of(name);
    for (const char* decoder : {".decoded_pillow", ".decoded_opencv"}) {
      check_probes<std::uint8_t>(name + decoder, picture.width,
                                 [&](int c, int y, int x) { return picture.row(y)[3 * x + c]; });
      const auto mean = values<double>(name + decoder + ".mean");
      for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (std::size_t i = c; i < picture.rgb.size(); i += 3) sum += picture.rgb[i];
        CHECK(sum / (static_cast<double>(picture.rgb.size()) / 3) == Approx(mean[c]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("the floats that the model reads are the official and Ultralytics' ones", "[preprocess]") {
  constexpr int kSide = 640;
  for (const std::string name : {"kitchen", "cells"}) {
    const Picture picture = picture_of(name);
    for (const auto& [pipeline, method] :
         {std::pair{".official", Resampling::kPillowBilinear}, std::pair{".ultralytics", Resampling::kOpencvLinear}}) {
      std::vector<float> chw(3 * kSide * kSide);
      resize_to_chw_float(picture, PictureWindow::whole(picture), kSide, kSide, method, chw.data());
      check_probes<float>(name + pipeline, kSide, [&](int c, int y, int x) {
        return chw[(static_cast<std::size_t>(c) * kSide + static_cast<std::size_t>(y)) * kSide +
                   static_cast<std::size_t>(x)];
      });
      const auto mean = values<double>(name + pipeline + ".mean");
      for (std::size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < kSide * kSide; ++i) sum += static_cast<double>(chw[c * kSide * kSide + i]);
        CHECK(sum / (kSide * kSide) == Approx(mean[c]).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("resized bytes are Pillow's and OpenCV's at six sizes", "[preprocess]") {
  Picture input(97, 61);
  input.rgb = values<std::uint8_t>("resize.input");
  for (const auto& [height, width] : {std::pair{32, 48}, {61, 50}, {64, 64}, {128, 160}, {61, 97}, {17, 200}}) {
    const std::string size = std::to_string(height) + "x" + std::to_string(width);
    INFO(size);
    const Picture pillow = resize(input, width, height, Resampling::kPillowBilinear);
    const Picture opencv = resize(input, width, height, Resampling::kOpencvLinear);
    report("pillow_bilinear " + size, pillow.rgb != values<std::uint8_t>("resize.pillow_bilinear." + size));
    report("opencv_linear " + size, opencv.rgb != values<std::uint8_t>("resize.opencv_linear." + size));
    // The one-pass form of the same.
    std::vector<float> chw(pillow.rgb.size()), want(pillow.rgb.size());
    resize_to_chw_float(input, PictureWindow::whole(input), width, height, Resampling::kPillowBilinear, chw.data());
    to_chw_float(pillow, want.data());
    CHECK(chw == want);
  }
}

}  // namespace rtdetr
