#include "core/image/rgb_rows.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/image/chw.h"
#include "core/image/image_view.h"
#include "core/image/resize.h"

using namespace rtdetr;

namespace {

Picture noise(int width, int height) {
  Random random(11, RandomPurpose::kAugmentation, 0, 0);
  Picture picture(width, height);
  for (std::uint8_t& byte : picture.rgb) byte = static_cast<std::uint8_t>(random.below(256));
  return picture;
}

/// Bytes of a view, with as many rows as it has and not a byte more.
struct Stored {
  std::vector<std::uint8_t> bytes;
  ImageView view;
};

/// @param places  of red, green and blue in a pixel
Stored stored_as(const Picture& picture, PixelFormat format, int bytes_per_pixel, std::array<int, 3> places,
                 int padding) {
  const std::ptrdiff_t stride = std::ptrdiff_t{bytes_per_pixel} * picture.width + padding;
  Stored stored{std::vector<std::uint8_t>(static_cast<std::size_t>(stride * picture.height - padding), 99), {}};
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        stored.bytes[static_cast<std::size_t>(y * stride + bytes_per_pixel * x + places[c])] =
            picture.row(y)[3 * x + c];
      }
    }
  }
  stored.view = {stored.bytes.data(), picture.width, picture.height, padding > 0 ? stride : 0, format};
  return stored;
}

std::vector<float> resized(const ImageView& view, int width, int height, Resampling method) {
  std::vector<float> out(static_cast<std::size_t>(3) * width * height, -1.0f);
  resize_to_chw_float(view, width, height, method, out.data());
  return out;
}

std::vector<float> resized(const Picture& picture, int width, int height, Resampling method) {
  std::vector<float> out(static_cast<std::size_t>(3) * width * height, -1.0f);
  resize_to_chw_float(picture, PictureWindow::whole(picture), width, height, method, out.data());
  return out;
}

/// Both orders of the passes, stretched, shrunk and as it is.
constexpr std::array<std::array<int, 2>, 5> kTargets{{{64, 48}, {9, 90}, {90, 9}, {31, 7}, {37, 29}}};

void check_resizes_like(const ImageView& view, const Picture& picture) {
  CHECK(to_rgb(view).rgb == picture.rgb);
  for (const auto [width, height] : kTargets) {
    INFO("to " << width << "x" << height);
    for (const Resampling method : {Resampling::kPillowBilinear, Resampling::kOpencvLinear})
      CHECK(resized(view, width, height, method) == resized(picture, width, height, method));
  }
}

std::array<int, 3> colour_of(PixelFormat format, std::array<std::uint8_t, 3> yuv) {
  const std::array<std::uint8_t, 3> bytes = yuv;
  const ImageView one{bytes.data(), 1, 1, 1, format, bytes.data() + 1};
  const Picture rgb = to_rgb(one);
  return {rgb.rgb[0], rgb.rgb[1], rgb.rgb[2]};
}

}  // namespace

TEST_CASE("a view in any order of colours, with padded rows or without, is resized to the bits of its RGB picture") {
  const Picture picture = noise(37, 29);
  struct Case {
    PixelFormat format;
    int bytes;
    std::array<int, 3> places;
  };
  for (const Case& c : {Case{PixelFormat::kRgb, 3, {0, 1, 2}}, Case{PixelFormat::kBgr, 3, {2, 1, 0}},
                        Case{PixelFormat::kRgba, 4, {0, 1, 2}}, Case{PixelFormat::kBgra, 4, {2, 1, 0}}}) {
    for (const int padding : {0, 13}) {
      INFO("format " << static_cast<int>(c.format) << ", padding " << padding);
      const Stored stored = stored_as(picture, c.format, c.bytes, c.places, padding);
      check_resizes_like(stored.view, picture);
    }
  }
}

TEST_CASE("grey is red, green and blue alike") {
  Picture picture = noise(37, 29);
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) picture.rgb[i + 1] = picture.rgb[i + 2] = picture.rgb[i];
  check_resizes_like(stored_as(picture, PixelFormat::kGray, 1, {0, 0, 0}, 5).view, picture);
}

TEST_CASE("NV12 has the colours that the broadcast standards name") {
  // Bars of full amplitude and saturation as both standards store them in bytes: luma, Cb, Cr.
  struct Bar {
    std::array<int, 3> rgb;
    std::array<std::uint8_t, 3> bt601, bt709;
  };
  const std::array<Bar, 8> bars{{{{255, 255, 255}, {235, 128, 128}, {235, 128, 128}},
                                 {{255, 255, 0}, {210, 16, 146}, {219, 16, 138}},
                                 {{0, 255, 255}, {170, 166, 16}, {188, 154, 16}},
                                 {{0, 255, 0}, {145, 54, 34}, {173, 42, 26}},
                                 {{255, 0, 255}, {106, 202, 222}, {78, 214, 230}},
                                 {{255, 0, 0}, {81, 90, 240}, {63, 102, 240}},
                                 {{0, 0, 255}, {41, 240, 110}, {32, 240, 118}},
                                 {{0, 0, 0}, {16, 128, 128}, {16, 128, 128}}}};
  for (const Bar& bar : bars) {
    INFO("colour " << bar.rgb[0] << " " << bar.rgb[1] << " " << bar.rgb[2]);
    const auto sd = colour_of(PixelFormat::kNv12, bar.bt601), hd = colour_of(PixelFormat::kNv12Bt709, bar.bt709);
    for (int c = 0; c < 3; ++c) {
      CHECK(std::abs(sd[c] - bar.rgb[c]) <= 2);  // stored rounded
      CHECK(std::abs(hd[c] - bar.rgb[c]) <= 2);
    }
  }
}

TEST_CASE("NV12 of any bytes is rounded as the standard's formula in double says") {
  int differ = 0, compared = 0;
  for (int y = 0; y < 256; y += 5) {
    for (int cb = 0; cb < 256; cb += 17) {
      for (int cr = 0; cr < 256; cr += 17) {
        const auto rgb = colour_of(PixelFormat::kNv12, {static_cast<std::uint8_t>(y), static_cast<std::uint8_t>(cb),
                                                        static_cast<std::uint8_t>(cr)});
        const double luma = (y - 16) / 219.0, pb = (cb - 128) / 224.0, pr = (cr - 128) / 224.0;
        const double red = luma + 1.402 * pr, blue = luma + 1.772 * pb;
        const double green = (luma - 0.299 * red - 0.114 * blue) / 0.587;
        const std::array<double, 3> exact{red, green, blue};
        for (int c = 0; c < 3; ++c) {
          const auto expected = static_cast<int>(std::lround(std::clamp(exact[c], 0.0, 1.0) * 255));
          CHECK(std::abs(rgb[c] - expected) <= 1);
          differ += rgb[c] != expected;
          ++compared;
        }
      }
    }
  }
  CHECK(differ * 100 < compared);
}

TEST_CASE("four pixels of NV12 share their chroma, also at odd borders, wherever its plane lies") {
  const int width = 37, height = 29, pairs = 19, chroma_rows = 15;
  const Picture random = noise(width, height);
  std::vector<std::uint8_t> luma, chroma;
  for (int i = 0; i < width * height; ++i) luma.push_back(random.rgb[static_cast<std::size_t>(i)]);
  for (int i = 0; i < 2 * pairs * chroma_rows; ++i) chroma.push_back(random.rgb[static_cast<std::size_t>(1500 + i)]);
  Picture expected(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::uint8_t* pair = chroma.data() + (y / 2 * pairs + x / 2) * 2;
      const auto rgb = colour_of(PixelFormat::kNv12, {luma[static_cast<std::size_t>(y * width + x)], pair[0], pair[1]});
      for (int c = 0; c < 3; ++c) expected.row(y)[3 * x + c] = static_cast<std::uint8_t>(rgb[c]);
    }
  }
  const ImageView apart{luma.data(), width, height, 0, PixelFormat::kNv12, chroma.data(), 2 * pairs};
  check_resizes_like(apart, expected);

  std::vector<std::uint8_t> both = luma;
  both.insert(both.end(), chroma.begin(), chroma.end());
  check_resizes_like({both.data(), width, height, 0, PixelFormat::kNv12}, expected);

  const std::ptrdiff_t stride = 48;  // as decoders give: rows of both planes alike
  std::vector<std::uint8_t> padded(static_cast<std::size_t>(stride * (height + chroma_rows)), 7);
  for (int y = 0; y < height; ++y) std::copy_n(luma.data() + y * width, width, padded.data() + y * stride);
  for (int y = 0; y < chroma_rows; ++y)
    std::copy_n(chroma.data() + y * 2 * pairs, 2 * pairs, padded.data() + (height + y) * stride);
  check_resizes_like({padded.data(), width, height, stride, PixelFormat::kNv12}, expected);
}
