#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/image/exif.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "core/image/picture_warnings.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using test::kFixtures;
using test::values_of;

namespace {

const std::filesystem::path kPictures = kFixtures / "pictures";

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

std::string text_of(const std::string& name) {
  const std::vector<std::byte> bytes = bytes_of(name);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// `file` with `bytes` before place `at`.
std::string with(std::string file, std::size_t at, const std::string& bytes) { return file.insert(at, bytes); }

std::string with_byte(std::string file, std::size_t at, char byte) {
  file.at(at) = byte;
  return file;
}

/// A PNG's chunk with its CRC (PNG specification, annex D).
std::string chunk(const std::string& name, const std::string& data) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : name + data) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1U ? 0xEDB88320U : 0U);
  }
  const auto number = [](std::size_t value) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
    return text;
  };
  return number(data.size()) + name + data + number(~crc);
}

/// What each block of divisor x divisor pixels is on average.
Picture mean_of_blocks(const Picture& whole, int divisor) {
  Picture result(whole.width / divisor, whole.height / divisor);
  for (int y = 0; y < result.height; ++y) {
    for (int i = 0; i < 3 * result.width; ++i) {
      int sum = 0;
      for (int dy = 0; dy < divisor; ++dy)
        for (int dx = 0; dx < divisor; ++dx) sum += whole.row(y * divisor + dy)[3 * (i / 3 * divisor + dx) + i % 3];
      result.row(y)[i] = static_cast<std::uint8_t>((sum + divisor * divisor / 2) / (divisor * divisor));
    }
  }
  return result;
}

double mean_distance(const Picture& a, const Picture& b) {
  REQUIRE(a.rgb.size() == b.rgb.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(int{a.rgb[i]} - int{b.rgb[i]});
  return sum / static_cast<double>(a.rgb.size());
}

/// A JPEG's first scan, its header included.
std::string first_scan(const std::string& jpeg) {
  const std::size_t begin = jpeg.find("\xFF\xDA");
  std::size_t end = jpeg.find('\xFF', begin + 2);
  while (jpeg.at(end + 1) == '\0') end = jpeg.find('\xFF', end + 1);
  return jpeg.substr(begin, end - begin);
}

}  // namespace

TEST_CASE("photographs decode to the reference's pixels") {
  const SafetensorsReader expected(kFixtures / "preprocess.safetensors");
  for (const std::string name : {"kitchen", "cells"}) {
    INFO(name);
    const Picture picture = read_picture(kFixtures / "images" / (name + ".jpg"));
    const std::string prefix = name + ".decoded_pillow.";
    const auto rows = values_of<std::uint8_t>(expected, prefix + "rows3");  // [3 channels, 3 rows, W]
    REQUIRE(rows.size() == static_cast<std::size_t>(picture.width) * 9);
    std::size_t wrong = 0;
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < picture.width; ++x) {
          wrong += picture.row(y)[x * 3 + c] != rows[static_cast<std::size_t>((c * 3 + y) * picture.width + x)];
        }
      }
    }
    const auto ys = values_of<std::int64_t>(expected, prefix + "sample_y"),
               xs = values_of<std::int64_t>(expected, prefix + "sample_x");
    const auto samples = values_of<std::uint8_t>(expected, prefix + "samples");
    for (std::size_t i = 0; i < ys.size(); ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        wrong += picture.row(static_cast<int>(ys[i]))[static_cast<std::size_t>(xs[i]) * 3 + c] != samples[i * 3 + c];
      }
    }
    CHECK(wrong == 0);
    double sums[3] = {};
    for (std::size_t i = 0; i < picture.rgb.size(); ++i) sums[i % 3] += picture.rgb[i];
    const auto mean = values_of<double>(expected, prefix + "mean");
    for (int c = 0; c < 3; ++c)
      CHECK(sums[c] * 3 / static_cast<double>(picture.rgb.size()) == Approx(mean[c]).epsilon(1e-12));
  }
}

TEST_CASE("a JPEG comes at a half, a quarter or an eighth of its sides where that is enough") {
  const std::filesystem::path file = kFixtures / "images" / "cells.jpg";
  const Picture whole = read_picture(file);
  REQUIRE(whole.width == 1280);
  REQUIRE(whole.height == 960);
  struct Row {
    PictureSize enough;
    int divisor;
  };
  for (const Row& row : {Row{{640, 480}, 2},
                         {{641, 480}, 1},
                         {{640, 481}, 1},
                         {{321, 100}, 2},
                         {{320, 240}, 4},
                         {{160, 120}, 8},
                         {{1, 1}, 8},
                         {{0, 0}, 1},
                         {{1280, 960}, 1},
                         {{9000, 9000}, 1}}) {
    INFO(row.enough.width << "x" << row.enough.height);
    const Picture picture = read_picture(file, {}, row.enough);
    CHECK(picture.width == 1280 / row.divisor);
    CHECK(picture.height == 960 / row.divisor);
    CHECK(picture.reduced_from.width == (row.divisor > 1 ? 1280 : 0));
    CHECK(picture.full_size().width == 1280);
    CHECK(picture.full_size().height == 960);
    CHECK(mean_distance(picture, mean_of_blocks(whole, row.divisor)) < 1.0);
  }
  CHECK(read_picture(kFixtures / "images" / "kitchen.jpg", {}, {80, 50}).height == 54);  // 427 / 8, rounded up
}

TEST_CASE("every form of picture becomes the RGB that Pillow makes of it") {
  const SafetensorsReader expected(kPictures / "decoded_by_pillow.safetensors");
  CHECK(expected.entries().size() == 23);
  for (const TensorEntry& entry : expected.entries()) {
    INFO(entry.name);
    const Picture picture = read_picture(kPictures / entry.name);
    CHECK(picture.height == entry.shape[0]);
    CHECK(picture.width == entry.shape[1]);
    CHECK(picture.rgb == values_of<std::uint8_t>(expected, entry.name));
    const PictureSize size = read_picture_size(kPictures / entry.name);
    CHECK(size.width == picture.width);
    CHECK(size.height == picture.height);
  }
}

TEST_CASE("WebP, BMP and TIFF become the RGB that Pillow makes of them") {
  const SafetensorsReader expected(kPictures / "more_by_pillow.safetensors");
  CHECK(expected.entries().size() == 28);
  for (const TensorEntry& entry : expected.entries()) {
    INFO(entry.name);
    const Picture picture = read_picture(kPictures / entry.name);
    REQUIRE(picture.height == entry.shape[0]);
    REQUIRE(picture.width == entry.shape[1]);
    const auto pixels = values_of<std::uint8_t>(expected, entry.name);
    const bool inks = entry.name == "cmyk.tif";  // the two libraries round a product of inks differently
    int worst = 0;
    for (std::size_t i = 0; i < pixels.size(); ++i) worst = std::max(worst, std::abs(pixels[i] - picture.rgb[i]));
    CHECK(worst <= (inks ? 1 : 0));
    const PictureSize size = read_picture_size(kPictures / entry.name);
    CHECK(size.width == picture.width);
    CHECK(size.height == picture.height);
  }
}

TEST_CASE("of an animation and of several pages the first picture is taken, with a warning") {
  const std::vector<std::uint8_t> first = read_picture(kPictures / "rgb.png").rgb;
  const Picture animated = read_picture(kPictures / "animated.webp"), pages = read_picture(kPictures / "two_pages.tif");
  CHECK(animated.rgb == first);
  CHECK(animated.warnings == std::vector<std::string>{"an animation, of which the first picture is taken (WebP)"});
  CHECK(pages.rgb == first);
  CHECK(pages.warnings == std::vector<std::string>{"several pages, of which the first is taken (TIFF)"});
  CHECK(read_picture(kPictures / "rgb.tif").warnings.empty());
}

TEST_CASE("a claim of too many pixels in WebP, BMP and TIFF is refused before memory is asked for") {
  for (const char* name : {"rgb.webp", "lossless.webp", "animated.webp", "rgb.bmp", "rgb.tif"}) {
    INFO(name);
    CHECK_THAT(refusal(bytes_of(name), {.max_pixels = 600}), Contains("claims 29x21 = 609 pixels; at most 600"));
  }
  std::string bomb = text_of("palette.bmp");
  bomb.replace(18, 8, std::string("\xFF\x7F\0\0\x10\0\0\0", 8));
  CHECK_THAT(refusal(to_bytes(bomb)), Contains("the file ends too early"));
}

TEST_CASE("what is not read of a BMP or TIFF is refused in words") {
  CHECK_THAT(refusal(to_bytes(with_byte(text_of("palette.bmp"), 30, 1))), Contains("a compressed BMP (form 1)"));
  CHECK_THAT(refusal(to_bytes(with_byte(text_of("rgb.bmp"), 28, 23))), Contains("23 bits a pixel"));
  CHECK_THAT(refusal(to_bytes(with_byte(text_of("565_top_down.bmp"), 54, 0x15))), Contains("a colour mask with gaps"));
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

TEST_CASE("only the signatures of the formats that are read pass the gate") {
  CHECK_THAT(refusal({}), Contains("empty"));
  std::string dicom(200, '\0');
  dicom.replace(128, 4, "DICM");
  for (const std::string& text :
       {std::string("GIF89a......."), std::string("BX......"), std::string("II+\0....", 8), std::string("RIFF....WAVE"),
        dicom, std::string("\xFF\xD8"), std::string("\x89PNG\r\n\x1a"), std::string("P6 1 1 255 abc"),
        std::string("<svg/>")}) {
    CHECK_THAT(refusal(to_bytes(text)), Contains("neither JPEG, PNG, WebP, BMP nor TIFF"));
  }
  for (const std::string& text : {std::string("BM......"), std::string("II*\0....", 8), std::string("RIFF....WEBP")}) {
    CHECK_THAT(refusal(to_bytes(text)), Contains("corrupt"));
  }
  const test::TemporaryFolder folder;
  write_text_atomically(folder / "a.jpg", "GIF89a");
  CHECK_THROWS_WITH(read_picture(folder / "a.jpg"),
                    Contains("a.jpg") && Contains("neither JPEG, PNG, WebP, BMP nor TIFF, but a GIF"));
  CHECK_THROWS_AS(read_picture_size(folder / "a.jpg"), DataError);
  CHECK_THROWS_AS(read_picture(folder / "missing.jpg"), IoError);
}

TEST_CASE("what is not read is named by its first bytes, or by its name") {
  const std::pair<std::string, std::string> contents[] = {
      {"GIF89a..", "a GIF picture"},
      {"MM", ""},
      {std::string("MM\0+....", 8), "a BigTIFF picture"},
      {"RIFF....WAVE", ""},
      {std::string("\0\0\0\x18"
                   "ftypheic",
                   12),
       "a HEIC picture"},
      {std::string("\0\0\0\x18"
                   "ftypavif",
                   12),
       "an AVIF picture"},
      {std::string("\0\x05\x16\x07\0\2", 6), "what macOS leaves beside a file (AppleDouble)"},
      {"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer: 'git lfs pull' fetches what it stands for"},
      {"", ""},
  };
  for (const auto& [bytes, format] : contents) CHECK(format_by_content(to_bytes(bytes)) == format);
  CHECK(other_picture_format("a/b.GIF") == "GIF");
  CHECK(other_picture_format("b.Heic") == "HEIC");
  CHECK(other_picture_format("b.WebP").empty());
  CHECK(other_picture_format("b.JPEG").empty());
  CHECK(other_picture_format("b.txt").empty());
}

TEST_CASE("what systems and tools leave in folders is hidden; a list may name files that begin with a dot") {
  for (const char* name : {"x/._a.jpg", ".DS_Store", "x/.ipynb_checkpoints", "__MACOSX", "Thumbs.db"}) {
    INFO(name);
    CHECK(is_hidden(name));
  }
  for (const char* name : {"a.jpg", ".hidden/a.jpg", ".", "..", "x/../b"}) {
    INFO(name);
    CHECK_FALSE(is_hidden(name));
  }
  CHECK(is_leftover("images/._a.jpg"));
  CHECK(is_leftover("__MACOSX/images/a.jpg"));
  CHECK_FALSE(is_leftover("./images/.a.jpg"));
}

TEST_CASE("a claimed size beyond the limit is refused before memory is asked for") {
  std::vector<std::byte> jpeg = bytes_of("rgb_420.jpg");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC0}) {
      for (const std::size_t at : {5, 6, 7, 8}) jpeg[i + at] = std::byte{0x75};  // 30069 x 30069
      break;
    }
  }
  CHECK_THAT(refusal(jpeg), Contains("30069x30069") && Contains("64,000,000") && Contains("max_pixels=904144761"));
  CHECK_THAT(refusal(bytes_of("rgb.png"), {.max_pixels = 29 * 21 - 1}), Contains("29x21"));
  CHECK(refusal(bytes_of("rgb.png"), {.max_pixels = 29 * 21}).empty());
  CHECK_THAT(refusal(bytes_of("rgb_420.jpg"), {.max_pixels = 29 * 21 - 1}), Contains("29x21"));
}

TEST_CASE("more bytes than any picture has are not looked at") {
  const std::size_t size = rtdetr::kLargestPictureFile + 1;
  const std::unique_ptr<void, decltype(&std::free)> zeros(std::calloc(size, 1), &std::free);  // takes no memory
  CHECK_THROWS_WITH(decode_picture({static_cast<const std::byte*>(zeros.get()), size}, "p"),
                    Contains("'p': 536,870,913 bytes are no picture"));
}

TEST_CASE("a small progressive JPEG that claims many pixels is refused for the memory it would take") {
  std::vector<std::byte> jpeg = bytes_of("progressive.jpg");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC2}) {
      for (const std::size_t at : {5, 7}) jpeg[i + at] = std::byte{0x1E};  // 7680 and more each way
      break;
    }
  }
  CHECK_THAT(refusal(jpeg), Contains("MiB to decode") && Contains("max_pixels=64000000 allows"));
}

TEST_CASE("a progressive JPEG of more scans than allowed is refused") {
  CHECK_THAT(refusal(bytes_of("progressive.jpg"), {.max_scans = 3}), Contains("more than 3 scans"));
  CHECK(refusal(bytes_of("progressive.jpg"), {.max_scans = 10}).empty());
}

TEST_CASE("a JPEG that its decoder only warns of is read whole, and the warning comes along") {
  const std::string plain = text_of("rgb_420.jpg"), progressive = text_of("progressive.jpg");
  const std::size_t scan = plain.find("\xFF\xDA"), frame = plain.find("\xFF\xC0"), jfif = plain.find("JFIF");
  const std::string adobe(
      "\xFF\xEE\0\x0E"
      "Adobe\0\x64\0\0\0\0\x07",
      16);
  const struct {
    std::string bytes, warning, original;
  } cases[] = {
      {with(plain, plain.size() - 2, "abc"), "extraneous bytes before a marker (JPEG)", "rgb_420.jpg"},
      {with(plain, frame, "abc"), "extraneous bytes before a marker (JPEG)", "rgb_420.jpg"},
      {with_byte(plain, scan + 12, '\0'), "invalid SOS parameters for a sequential JPEG", "rgb_420.jpg"},
      {with_byte(plain, jfif + 5, '\x03'), "unknown JFIF revision number (JPEG)", "rgb_420.jpg"},
      {with_byte(with(plain, frame, adobe), jfif - 3, '\xEF'), "unknown Adobe color transform code (JPEG)",
       "rgb_420.jpg"},
      {with(progressive, progressive.find("\xFF\xDA"), first_scan(progressive)),
       "inconsistent progression sequence (JPEG)", "progressive.jpg"},
  };
  const test::TemporaryFolder folder;
  for (const auto& [bytes, warning, original] : cases) {
    INFO(warning);
    const Picture picture = decode_picture(to_bytes(bytes), "p");
    CHECK(picture.warnings == std::vector<std::string>{warning});
    CHECK(picture.rgb == decode_picture(bytes_of(original), original).rgb);
    write_text_atomically(folder / "p.jpg", bytes);
    CHECK(read_picture_size(folder / "p.jpg").width == picture.width);
  }
  CHECK(decode_picture(bytes_of("rgb_420.jpg"), "p").warnings.empty());
}

TEST_CASE("a JPEG's size is found behind whatever its decoder passes over") {
  const std::string plain = text_of("rgb_420.jpg");
  const std::size_t frame = plain.find("\xFF\xC0");
  const test::TemporaryFolder folder;
  const auto width_with = [&](const std::string& bytes) {
    write_text_atomically(folder / "p.jpg", with(plain, frame, bytes));
    CHECK(decode_picture(to_bytes(with(plain, frame, bytes)), "p").width == 29);
    return read_picture_size(folder / "p.jpg").width;
  };
  CHECK(width_with("\xFF\x01") == 29);  // a marker that has no length
  for (std::size_t junk = 500; junk < 520; ++junk)
    CHECK(width_with(std::string(junk, '\0')) == 29);  // and a block's end
}

TEST_CASE("a JPEG whose warnings mean missing pixels is refused, though it has an end") {
  const std::string plain = text_of("rgb_444.jpg"), restart = text_of("restart.jpg");
  const std::string progressive = text_of("progressive.jpg"), first = first_scan(progressive);
  std::string cut = plain, late = progressive;
  CHECK_THAT(refusal(to_bytes(cut.erase(cut.size() - 42, 40))), Contains("premature end of data segment"));
  const std::size_t marker = restart.find("\xFF\xD1");
  REQUIRE(marker != std::string::npos);
  CHECK_THAT(refusal(to_bytes(with_byte(restart, marker + 1, '\xD5'))), Contains("instead of RST1"));
  CHECK_THAT(refusal(to_bytes(late.erase(late.find(first), first.size()))), Contains("corrupt JPEG"));
}

TEST_CASE("a PNG that its decoder only warns of is read whole, and the warning comes along") {
  const std::string grey = text_of("grey.png"), text = text_of("text_and_profile.png");
  const std::size_t data = grey.find("IDAT") - 4, note = text.find("tEXt");
  REQUIRE(note != std::string::npos);
  const Picture palette = decode_picture(to_bytes(with(grey, data, chunk("PLTE", std::string(6, '\7')))), "p");
  CHECK(palette.rgb == decode_picture(bytes_of("grey.png"), "p").rgb);
  CHECK(palette.warnings == std::vector<std::string>{"PLTE: ignored in grayscale PNG (PNG)"});
  const Picture damaged = decode_picture(to_bytes(with_byte(text, note + 5, '\1')), "p");
  CHECK(damaged.rgb == decode_picture(bytes_of("text_and_profile.png"), "p").rgb);
  CHECK(damaged.warnings == std::vector<std::string>{"tEXt: CRC error (PNG)"});
  CHECK(turn_upright(damaged, 6).warnings == damaged.warnings);
}

TEST_CASE("decoders' warnings are said in a line for each kind, with the count and the first file, and once") {
  PictureWarnings warnings;
  warnings.add("a.jpg", {"kind one", "kind two"});
  warnings.add("b.jpg", {"kind one"});
  const std::string said = test::stderr_of([&] { warnings.report(); });
  CHECK_THAT(said, Contains("2 pictures are read whole, though the decoder warns: kind one (a.jpg, …)") &&
                       Contains("1 picture is read whole, though the decoder warns: kind two (a.jpg)"));
  CHECK(test::stderr_of([&] { warnings.report(); }).empty());
}

TEST_CASE("every truncation of a picture is refused") {
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(kPictures)) {
    const std::string name = file.path().filename().string();
    if (!has_picture_extension(name) || name == "bytes_after_end.jpg" || name == "two_pages.tif") continue;
    const std::vector<std::byte> good = read_binary_file(file.path());
    INFO(file.path());
    CHECK(refusal(good).empty());
    std::size_t accepted = 0;
    for (std::size_t length = 0; length < good.size(); ++length) {
      // A copy of its own, so that a read beyond the end is one beyond the allocation.
      accepted += refusal(std::vector(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))).empty();
    }
    CHECK(accepted == (name == "one_bit.tif" ? 4 : 0));  // the last four say that no other page follows
    ++files;
  }
  CHECK(files >= 40);
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
  int tried = 0, refused = 0;
  for (const auto& file : std::filesystem::directory_iterator(kPictures)) {
    if (!has_picture_extension(file.path())) continue;
    const std::vector<std::byte> good = read_binary_file(file.path());
    for (int i = 0; i < 300; ++i) {
      std::vector<std::byte> changed = good;
      for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
        changed[random.below(changed.size())] = static_cast<std::byte>(random.below(256));
      }
      refused += refusal(changed, {.max_pixels = 1'000'000}).empty() ? 0 : 1;
      ++tried;
    }
  }
  CHECK(tried >= 40 * 300);
  CHECK((refused > tried / 10 && refused < tried));
}
