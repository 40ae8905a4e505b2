#include "core/image/exif.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/image/tiff_directory.h"
#include "core/io/read_only_file.h"

// EXIF is a TIFF directory in a segment of a JPEG, a chunk of a PNG or WebP, or that of a TIFF itself. Only its
// orientation is wanted, and a picture is not refused for what surrounds its pixels: whatever does not hold together
// means "as stored".

namespace rtdetr {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

bool copy_part(std::span<const std::byte> bytes, std::uint64_t at, std::span<std::byte> out) {
  if (at > bytes.size() || bytes.size() - at < out.size()) return false;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
  return true;
}

/// @param read  from the byte order mark on
std::optional<int> orientation_of_tiff(const ReadAt& read) {
  constexpr std::uint32_t kOrientation = 0x0112;
  const std::optional<std::uint32_t> value = tiff_number(read, kOrientation);
  return value && *value >= 1 && *value <= 8 ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
}

std::optional<int> orientation_of_tiff(std::span<const std::byte> tiff) {
  return orientation_of_tiff([&](std::uint64_t at, std::span<std::byte> out) { return copy_part(tiff, at, out); });
}

/// The segments before the pixels.
std::optional<int> orientation_of_jpeg(const ReadAt& read) {
  constexpr std::string_view kName("Exif\0\0", 6);
  std::array<std::byte, 4> head;  // FF, marker, length
  for (std::uint64_t at = 2; read(at, head);) {
    const auto marker = std::to_integer<int>(head[1]);
    const std::uint32_t length = number_of(std::span(head).subspan(2, 2), false);
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
std::optional<int> orientation_of_png(const ReadAt& read) {
  constexpr std::uint32_t kMostExif = 1 << 16;
  std::array<std::byte, 8> head;  // length, name
  for (std::uint64_t at = 8; read(at, head);) {
    const std::uint32_t length = number_of(std::span(head).first(4), false);
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

/// The chunks of a WebP's container; that with EXIF comes behind the pixels.
std::optional<int> orientation_of_webp(const ReadAt& read) {
  constexpr std::uint32_t kMostExif = 1 << 16;
  constexpr std::string_view kPrefix("Exif\0\0", 6);  // some writers leave it there
  std::array<std::byte, 8> head;                      // name, length
  for (std::uint64_t at = 12; read(at, head);) {
    const std::uint32_t length = number_of(std::span(head).subspan(4), true);
    if (starts_with(head, "EXIF")) {
      std::vector<std::byte> tiff(std::min(length, kMostExif));
      if (!read(at + 8, tiff)) return {};
      return orientation_of_tiff(std::span(tiff).subspan(starts_with(tiff, kPrefix) ? kPrefix.size() : 0));
    }
    at += 8 + std::uint64_t{length} + length % 2;
  }
  return {};
}

int orientation_of(const ReadAt& read) {
  std::array<std::byte, 4> start;
  if (!read(0, start)) return 1;
  std::optional<int> found;
  if (starts_with(start, "\xFF\xD8"))
    found = orientation_of_jpeg(read);
  else if (starts_with(start, "II*") || starts_with(start, "MM"))
    found = orientation_of_tiff(read);
  else if (starts_with(start, "RIFF"))
    found = orientation_of_webp(read);
  else if (starts_with(start, "\x89PNG"))
    found = orientation_of_png(read);
  return found.value_or(1);
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

Picture turned(Picture picture, int orientation) {
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

/// A size of the upright picture, of the stored one.
PictureSize as_stored(const PictureSize& upright, int orientation) {
  return exif_swaps_sides(orientation) ? PictureSize{upright.height, upright.width} : upright;
}

}  // namespace

int exif_orientation(std::span<const std::byte> picture) {
  return orientation_of([&](std::uint64_t at, std::span<std::byte> out) { return copy_part(picture, at, out); });
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
  PictureSize reduced_from = picture.reduced_from;
  if (exif_swaps_sides(orientation)) std::swap(reduced_from.width, reduced_from.height);
  Picture upright = turned(std::move(picture), orientation);
  upright.reduced_from = reduced_from;
  return upright;
}

Picture read_upright_picture(const std::filesystem::path& file, const PictureLimits& limits,
                             const PictureSize& enough) {
  const int orientation = exif_orientation(file);
  return turn_upright(read_picture(file, limits, as_stored(enough, orientation)), orientation);
}

Picture decode_upright_picture(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits,
                               const PictureSize& enough) {
  const int orientation = exif_orientation(bytes);
  return turn_upright(decode_picture(bytes, name, limits, as_stored(enough, orientation)), orientation);
}

PictureSize read_upright_picture_size(const std::filesystem::path& file) {
  PictureSize size = read_picture_size(file);
  if (exif_swaps_sides(exif_orientation(file))) std::swap(size.width, size.height);
  return size;
}

}  // namespace rtdetr
