#include "core/image/exif.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/read_only_file.h"

// EXIF is a TIFF directory in a segment of a JPEG or a chunk of a PNG. Only its orientation is wanted, and a picture is
// not refused for what surrounds its pixels: whatever does not hold together means "as stored".

namespace rtdetr {
namespace {

/// Fills `out` from byte `at` on; false if there are not so many.
using Read = std::function<bool(std::uint64_t at, std::span<std::byte> out)>;

std::uint32_t number(std::span<const std::byte> bytes, bool little_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value = (value << 8) | std::to_integer<std::uint32_t>(bytes[little_endian ? bytes.size() - 1 - i : i]);
  }
  return value;
}

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

/// @param tiff  from its byte order mark on
std::optional<int> orientation_of_tiff(std::span<const std::byte> tiff) {
  constexpr std::size_t kEntry = 12;  // tag, type, count, value
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  const bool little = starts_with(tiff, "II");
  if (tiff.size() < 8 || (!little && !starts_with(tiff, "MM")) || number(tiff.subspan(2, 2), little) != 42) return {};
  const std::size_t directory = number(tiff.subspan(4, 4), little);
  if (directory > tiff.size() || tiff.size() - directory < 2) return {};
  const std::size_t entries = number(tiff.subspan(directory, 2), little);
  std::span<const std::byte> rest = tiff.subspan(directory + 2);
  for (std::size_t i = 0; i < entries && rest.size() >= kEntry; ++i, rest = rest.subspan(kEntry)) {
    if (number(rest.first(2), little) != kOrientation) continue;
    const std::uint32_t value = number(rest.subspan(8, 2), little);
    const bool sound = number(rest.subspan(2, 2), little) == kShort && number(rest.subspan(4, 4), little) == 1;
    return sound && value >= 1 && value <= 8 ? std::optional<int>(static_cast<int>(value)) : std::nullopt;
  }
  return {};
}

/// The segments before the pixels.
std::optional<int> orientation_of_jpeg(const Read& read) {
  constexpr std::string_view kName("Exif\0\0", 6);
  std::array<std::byte, 4> head;  // FF, marker, length
  for (std::uint64_t at = 2; read(at, head);) {
    const auto marker = std::to_integer<int>(head[1]);
    const std::uint32_t length = number(std::span(head).subspan(2, 2), false);
    if (std::to_integer<int>(head[0]) != 0xFF || marker == 0xDA || marker == 0xD9) break;
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    if (marker == 0xE1 && length >= 2 + kName.size()) {
      std::vector<std::byte> segment(length - 2);
      if (!read(at + 4, segment)) break;
      if (starts_with(segment, kName)) return orientation_of_tiff(std::span(segment).subspan(kName.size()));
    }
    at += 2 + std::max<std::uint64_t>(length, 2);
  }
  return {};
}

/// The chunks, of which one may come behind the pixels.
std::optional<int> orientation_of_png(const Read& read) {
  constexpr std::uint32_t kMostExif = 1 << 16;
  std::array<std::byte, 8> head;  // length, name
  for (std::uint64_t at = 8; read(at, head);) {
    const std::uint32_t length = number(std::span(head).first(4), false);
    const std::span<const std::byte> name = std::span<const std::byte>(head).subspan(4);
    if (starts_with(name, "IEND")) break;
    if (starts_with(name, "eXIf")) {
      std::vector<std::byte> tiff(std::min(length, kMostExif));
      return read(at + 8, tiff) ? orientation_of_tiff(tiff) : std::nullopt;
    }
    at += 12 + std::uint64_t{length};
  }
  return {};
}

int orientation_of(const Read& read) {
  std::array<std::byte, 2> start;
  if (!read(0, start)) return 1;
  return (starts_with(start, "\xFF\xD8") ? orientation_of_jpeg(read) : orientation_of_png(read)).value_or(1);
}

/// Pixels of the result in rows; pixel (x, y) of it is the stored pixel at `source(x, y)`.
template <class Source>
Picture rearranged(const Picture& stored, int width, int height, const Source& source) {
  Picture result(width, height);
  result.warnings = stored.warnings;
  for (int y = 0; y < height; ++y) {
    std::uint8_t* row = result.row(y);
    for (int x = 0; x < width; ++x) {
      const auto [from_x, from_y] = source(x, y);
      std::memcpy(row + 3 * x, stored.row(from_y) + 3 * from_x, 3);
    }
  }
  return result;
}

}  // namespace

int exif_orientation(std::span<const std::byte> picture) {
  return orientation_of([&](std::uint64_t at, std::span<std::byte> out) {
    if (at > picture.size() || picture.size() - at < out.size()) return false;
    std::copy_n(picture.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
    return true;
  });
}

int exif_orientation(const std::filesystem::path& path) {
  const ReadOnlyFile file(path);
  return orientation_of([&](std::uint64_t at, std::span<std::byte> out) {
    if (at > file.size() || file.size() - at < out.size()) return false;
    file.read(at, out);
    return true;
  });
}

Picture turn_upright(Picture picture, int orientation) {
  // The standard says where row 0 and column 0 of the stored picture are seen: top and left for 1, top and right for 2,
  // bottom right, bottom left, left top, right top, right bottom, left bottom.
  const int w = picture.width, h = picture.height;
  using Pixel = std::pair<int, int>;
  switch (orientation) {
    case 2:
      return rearranged(picture, w, h, [&](int x, int y) { return Pixel(w - 1 - x, y); });
    case 3:
      return rearranged(picture, w, h, [&](int x, int y) { return Pixel(w - 1 - x, h - 1 - y); });
    case 4:
      return rearranged(picture, w, h, [&](int x, int y) { return Pixel(x, h - 1 - y); });
    case 5:
      return rearranged(picture, h, w, [&](int x, int y) { return Pixel(y, x); });
    case 6:
      return rearranged(picture, h, w, [&](int x, int y) { return Pixel(y, h - 1 - x); });
    case 7:
      return rearranged(picture, h, w, [&](int x, int y) { return Pixel(w - 1 - y, h - 1 - x); });
    case 8:
      return rearranged(picture, h, w, [&](int x, int y) { return Pixel(w - 1 - y, x); });
    default:
      return picture;
  }
}

Picture read_upright_picture(const std::filesystem::path& file, const PictureLimits& limits) {
  return turn_upright(read_picture(file, limits), exif_orientation(file));
}

PictureSize read_upright_picture_size(const std::filesystem::path& file) {
  PictureSize size = read_picture_size(file);
  if (exif_swaps_sides(exif_orientation(file))) std::swap(size.width, size.height);
  return size;
}

}  // namespace rtdetr
