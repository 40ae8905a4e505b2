#include <catch2/catch.hpp>
#include <cmath>

#include "core/io/error.h"
#include "core/io/file.h"
#include "core/io/picture.h"
#include "core/io/random.h"
#include "core/io/safetensors.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

const std::filesystem::path kFixtures = std::filesystem::path(RTDETR_SOURCE_DIR) / "tests/fixtures";
const std::filesystem::path kPictures = kFixtures / "pictures";

template <typename T>
std::vector<T> read(const SafetensorsReader& reader, const std::string& name) {
  const TensorEntry* entry = reader.find(name);
  REQUIRE(entry);
  std::vector<T> values(entry->bytes / sizeof(T));
  reader.read(*entry, std::as_writable_bytes(std::span(values)));
  return values;
}

std::vector<std::byte> bytes_of(const std::string& name) { return read_binary_file(kPictures / name); }

/// The refusal's text; "" when the picture is accepted.
std::string refusal(std::span<const std::byte> bytes, const PictureLimits& limits = {}) {
  try {
    decode_picture(bytes, "p", limits);
  } catch (const DataError& fault) {
    return fault.what();
  }
  return "";
}

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("photographs decode to the reference's pixels") {
  const SafetensorsReader expected(kFixtures / "preprocess.safetensors");
  for (const std::string name : {"kitchen", "cells"}) {
    INFO(name);
    const Picture picture = read_picture(kFixtures / "images" / (name + ".jpg"));
    const std::string prefix = name + ".decoded_pillow.";
    const auto rows = read<std::uint8_t>(expected, prefix + "rows3");  // [3 channels, 3 rows, W]
    REQUIRE(rows.size() == static_cast<std::size_t>(picture.width) * 9);
    std::size_t wrong = 0;
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < picture.width; ++x) {
          wrong += picture.row(y)[x * 3 + c] != rows[static_cast<std::size_t>((c * 3 + y) * picture.width + x)];
        }
      }
    }
    const auto ys = read<std::int64_t>(expected, prefix + "sample_y"),
               xs = read<std::int64_t>(expected, prefix + "sample_x");
    const auto samples = read<std::uint8_t>(expected, prefix + "samples");
    for (std::size_t i = 0; i < ys.size(); ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        wrong += picture.row(static_cast<int>(ys[i]))[static_cast<std::size_t>(xs[i]) * 3 + c] != samples[i * 3 + c];
      }
    }
    CHECK(wrong == 0);
    double sums[3] = {};
    for (std::size_t i = 0; i < picture.rgb.size(); ++i) sums[i % 3] += picture.rgb[i];
    const auto mean = read<double>(expected, prefix + "mean");
    for (int c = 0; c < 3; ++c)
      CHECK(sums[c] * 3 / static_cast<double>(picture.rgb.size()) == Approx(mean[c]).epsilon(1e-12));
  }
}

TEST_CASE("every form of picture becomes the RGB that Pillow makes of it") {
  const SafetensorsReader expected(kPictures / "decoded_by_pillow.safetensors");
  CHECK(expected.entries().size() == 23);
  for (const TensorEntry& entry : expected.entries()) {
    INFO(entry.name);
    const Picture picture = read_picture(kPictures / entry.name);
    CHECK(picture.height == entry.shape[0]);
    CHECK(picture.width == entry.shape[1]);
    CHECK(picture.rgb == read<std::uint8_t>(expected, entry.name));
    const PictureSize size = read_picture_size(kPictures / entry.name);
    CHECK(size.width == picture.width);
    CHECK(size.height == picture.height);
  }
}

TEST_CASE("a PNG reads back as written, a JPEG nearly so") {
  const test::TemporaryFolder folder;
  const Picture picture = read_picture(kFixtures / "images/cells.jpg");
  write_picture(folder / "a.PNG", picture);
  CHECK(read_picture(folder / "a.PNG").rgb == picture.rgb);
  write_picture(folder / "a.jpeg", picture);
  const Picture again = read_picture(folder / "a.jpeg");
  REQUIRE(again.rgb.size() == picture.rgb.size());
  double squares = 0;
  for (std::size_t i = 0; i < picture.rgb.size(); ++i)
    squares += std::pow(double{1} * picture.rgb[i] - again.rgb[i], 2);
  CHECK(std::sqrt(squares / static_cast<double>(picture.rgb.size())) < 3);
}

TEST_CASE("a name that tells no format is refused before anything is written") {
  const test::TemporaryFolder folder;
  CHECK_THROWS_WITH(write_picture(folder / "a.bmp", Picture(2, 2)), Contains("must end in .jpg"));
  CHECK_FALSE(std::filesystem::exists(folder / "a.bmp"));
  CHECK_THROWS_AS(write_picture(folder / "a.png", Picture()), InternalError);
  CHECK(has_picture_extension("x/y.JPeG"));
  CHECK_FALSE(has_picture_extension("x.png.txt"));
  CHECK_FALSE(has_picture_extension("png"));
}

TEST_CASE("only JPEG and PNG signatures pass the gate") {
  CHECK_THAT(refusal({}), Contains("empty"));
  std::string dicom(200, '\0');
  dicom.replace(128, 4, "DICM");
  for (const std::string& text :
       {std::string("GIF89a......."), std::string("BM......"), std::string("II*\0....", 8), std::string("RIFF....WEBP"),
        dicom, std::string("\xFF\xD8"), std::string("\x89PNG\r\n\x1a"), std::string("P6 1 1 255 abc"),
        std::string("<svg/>")}) {
    CHECK_THAT(refusal(to_bytes(text)), Contains("neither JPEG nor PNG"));
  }
  const test::TemporaryFolder folder;
  write_text_atomically(folder / "a.jpg", "GIF89a");
  CHECK_THROWS_WITH(read_picture(folder / "a.jpg"), Contains("a.jpg") && Contains("neither"));
  CHECK_THROWS_AS(read_picture_size(folder / "a.jpg"), DataError);
  CHECK_THROWS_AS(read_picture(folder / "missing.jpg"), IoError);
}

TEST_CASE("a claimed size beyond the limit is refused before memory is asked for") {
  std::vector<std::byte> jpeg = bytes_of("rgb_420.jpg");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC0}) {
      for (const std::size_t at : {5, 6, 7, 8}) jpeg[i + at] = std::byte{0x75};  // 30069 x 30069
      break;
    }
  }
  CHECK_THAT(refusal(jpeg), Contains("30069x30069") && Contains("64,000,000"));
  CHECK_THAT(refusal(bytes_of("rgb.png"), {.max_pixels = 29 * 21 - 1}), Contains("29x21"));
  CHECK(refusal(bytes_of("rgb.png"), {.max_pixels = 29 * 21}).empty());
  CHECK_THAT(refusal(bytes_of("rgb_420.jpg"), {.max_pixels = 29 * 21 - 1}), Contains("29x21"));
}

TEST_CASE("a small progressive JPEG that claims many pixels is refused for the memory it would take") {
  std::vector<std::byte> jpeg = bytes_of("progressive.jpg");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC2}) {
      for (const std::size_t at : {5, 7}) jpeg[i + at] = std::byte{0x1E};  // 7680 and more each way
      break;
    }
  }
  CHECK_THAT(refusal(jpeg), Contains("MiB to decode"));
}

TEST_CASE("a progressive JPEG of more scans than allowed is refused") {
  CHECK_THAT(refusal(bytes_of("progressive.jpg"), {.max_scans = 3}), Contains("more than 3 scans"));
  CHECK(refusal(bytes_of("progressive.jpg"), {.max_scans = 10}).empty());
}

TEST_CASE("every truncation of a picture is refused") {
  for (const auto& file : std::filesystem::directory_iterator(kPictures)) {
    if (!has_picture_extension(file.path()) || file.path().filename() == "bytes_after_end.jpg") continue;
    const std::vector<std::byte> good = read_binary_file(file.path());
    INFO(file.path());
    CHECK(refusal(good).empty());
    std::size_t accepted = 0;
    for (std::size_t length = 0; length < good.size(); ++length) {
      // A copy of its own, so that a read beyond the end is one beyond the allocation.
      accepted += refusal(std::vector(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))).empty();
    }
    CHECK(accepted == 0);
  }
}

TEST_CASE("a PNG with any flipped bit is refused or gives the same pixels") {
  for (const std::string name : {"palette.png", "grey_2bit.png"}) {
    INFO(name);
    const std::vector<std::byte> good = bytes_of(name);
    const Picture expected = decode_picture(good, name);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::vector<std::byte> flipped = good;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      if (!refusal(flipped).empty()) continue;
      INFO("bit " << bit);
      REQUIRE(decode_picture(flipped, name).rgb == expected.rgb);
    }
  }
}

TEST_CASE("no changed byte does worse than a refusal") {
  Random random(5, RandomPurpose::kSubstitute, 0, 0);
  for (const auto& file : std::filesystem::directory_iterator(kPictures)) {
    if (!has_picture_extension(file.path())) continue;
    const std::vector<std::byte> good = read_binary_file(file.path());
    for (int i = 0; i < 300; ++i) {
      std::vector<std::byte> changed = good;
      for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
        changed[random.below(changed.size())] = static_cast<std::byte>(random.below(256));
      }
      refusal(changed, {.max_pixels = 1'000'000});
    }
  }
}
