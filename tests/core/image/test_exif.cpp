#include "core/image/exif.h"

#include <array>
#include <catch2/catch.hpp>
#include <span>

#include "core/io/file.h"
#include "tests/support/data_files.h"
#include "tests/support/exif_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

/// Rows of a picture whose pixels are numbered by their red value.
std::vector<std::string> rows_of(const Picture& picture) {
  std::vector<std::string> rows;
  for (int y = 0; y < picture.height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < picture.width; ++x) rows.back() += static_cast<char>('0' + picture.row(y)[3 * x] / 10);
  }
  return rows;
}

/// 3x2 pixels numbered 012 / 345.
Picture numbered_picture() {
  Picture picture(3, 2);
  for (int i = 0; i < 6; ++i) picture.rgb[static_cast<std::size_t>(3 * i)] = static_cast<std::uint8_t>(10 * i);
  return picture;
}

int orientation_of(const std::string& file) {
  return exif_orientation(std::as_bytes(std::span(file.data(), file.size())));
}

}  // namespace

TEST_CASE("all eight orientations come upright as Pillow's exif_transpose makes them") {
  // numpy.array(ImageOps.exif_transpose(picture)) of Pillow 13.
  const std::array<std::vector<std::string>, 8> upright{{{"012", "345"},
                                                         {"210", "543"},
                                                         {"543", "210"},
                                                         {"345", "012"},
                                                         {"03", "14", "25"},
                                                         {"30", "41", "52"},
                                                         {"52", "41", "30"},
                                                         {"25", "14", "03"}}};
  const test::TemporaryFolder folder;
  write_picture(folder / "stored.png", numbered_picture());
  const std::string stored = read_text_file(folder / "stored.png");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    INFO("orientation " << orientation);
    const auto& expected = upright[static_cast<std::size_t>(orientation - 1)];
    for (const bool at_end : {false, true}) {
      test::write_file(folder / "turned.png", test::with_exif(stored, test::exif_text(orientation, at_end), at_end));
      CHECK(exif_orientation(folder / "turned.png") == orientation);
      CHECK(rows_of(read_upright_picture(folder / "turned.png")) == expected);
      CHECK(rows_of(read_picture(folder / "turned.png")) == upright[0]);  // ignored unless asked for
      const PictureSize size = read_upright_picture_size(folder / "turned.png");
      CHECK(size.width == static_cast<int>(expected[0].size()));
      CHECK(size.height == static_cast<int>(expected.size()));
    }
  }
}

TEST_CASE("a JPEG that lies on its side comes smaller where that is enough of the upright picture") {
  const test::TemporaryFolder folder;
  write_picture(folder / "stored.jpg", Picture(64, 32));
  const std::string stored = read_text_file(folder / "stored.jpg");
  test::write_file(folder / "turned.jpg", test::with_exif(stored, test::exif_text(6, false), false));
  const Picture half = read_upright_picture(folder / "turned.jpg", {}, {16, 32});
  CHECK(half.width == 16);
  CHECK(half.height == 32);
  CHECK(half.full_size().width == 32);
  CHECK(half.full_size().height == 64);
  CHECK(read_upright_picture(folder / "turned.jpg", {}, {32, 16}).width == 32);
}

TEST_CASE("a JPEG's orientation is found in both byte orders, behind other segments") {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "a.jpg", 40, 24, 1);
  const std::string stored = read_text_file(folder / "a.jpg");
  CHECK(orientation_of(stored) == 1);
  for (const bool little_endian : {false, true}) {
    const std::string turned = test::with_exif(stored, test::exif_text(6, little_endian));
    CHECK(orientation_of(turned) == 6);
    const std::string comment = std::string("\xFF\xFE\0\x05 hi", 7);
    CHECK(orientation_of(turned.substr(0, 2) + comment + turned.substr(2)) == 6);
    CHECK(orientation_of(turned.substr(0, 2) + "\xFF\xFF" + turned.substr(2)) == 6);  // padding before a marker
    test::write_file(folder / "b.jpg", turned);
    const Picture upright = read_upright_picture(folder / "b.jpg");
    CHECK(upright.width == 24);
    CHECK(upright.rgb == turn_upright(read_picture(folder / "a.jpg"), 6).rgb);
  }
}

TEST_CASE("EXIF that does not hold together means as stored") {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "a.jpg", 16, 16, 1);
  const std::string stored = read_text_file(folder / "a.jpg");
  const std::string sound = test::exif_text(6, true);
  for (const int wrong : {0, 9, 300}) CHECK(orientation_of(test::with_exif(stored, test::exif_text(wrong, true))) == 1);
  constexpr std::size_t kEndOfValue = 8 + 2 + 24;  // header, count, two entries
  for (std::size_t size = 0; size < kEndOfValue; ++size) {
    INFO("cut to " << size << " bytes");
    CHECK(orientation_of(test::with_exif(stored, sound.substr(0, size))) == 1);
  }
  constexpr std::size_t kType = 8 + 2 + 12 + 2, kCount = kType + 2;  // of the second entry
  for (const std::size_t at : {kType, kCount}) {
    std::string changed = sound;
    changed[at] = '\4';  // four-byte numbers, or four of them
    CHECK(orientation_of(test::with_exif(stored, changed)) == 1);
  }
  for (std::size_t i = 0; i < sound.size(); ++i) {
    for (const char byte : {'\0', '\x7F', '\xFF'}) {
      std::string changed = sound;
      changed[i] = byte;
      const int orientation = orientation_of(test::with_exif(stored, changed));
      CHECK((orientation == 1 || orientation == 6));
    }
  }
  for (std::size_t size = 0; size < 60; ++size) {
    const int orientation = orientation_of(test::with_exif(stored, sound).substr(0, size));
    CHECK((orientation == 1 || orientation == 6));
  }
  CHECK(orientation_of("") == 1);
  CHECK(orientation_of("no picture at all") == 1);
}

TEST_CASE("a picture in memory is turned upright like its file, and reduced no further") {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "a.jpg", 64, 32, 1);
  const std::string turned = test::with_exif(read_text_file(folder / "a.jpg"), test::exif_text(6, true));
  test::write_file(folder / "b.jpg", turned);
  for (const PictureSize& enough : {PictureSize{}, PictureSize{16, 32}, PictureSize{32, 16}}) {
    const Picture file = read_upright_picture(folder / "b.jpg", {}, enough),
                  memory = decode_upright_picture(std::as_bytes(std::span(turned)), "b", {}, enough);
    CHECK(memory.width == file.width);
    CHECK(memory.height == file.height);
    CHECK(memory.rgb == file.rgb);
  }
  CHECK(read_upright_picture(folder / "b.jpg", {}, {16, 32}).width == 16);
}
