#include "core/io/picture.h"

#include <algorithm>
#include <array>

#include "core/io/error.h"
#include "core/io/file.h"
#include "core/io/picture_codecs.h"
#include "core/io/read_only_file.h"
#include "core/io/text.h"

namespace rtdetr {
namespace {

/// Compressed pictures larger than this are nobody's photographs.
constexpr std::size_t kLargestFile = std::size_t{1} << 29;

enum class Format { kNone, kJpeg, kPng };

Format format_of(std::span<const std::byte> bytes) {
  constexpr std::array<unsigned char, 3> kJpeg = {0xFF, 0xD8, 0xFF};
  constexpr std::array<unsigned char, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  const auto starts_with = [&](const auto& signature) {
    return bytes.size() >= signature.size() &&
           std::equal(signature.begin(), signature.end(), bytes.begin(),
                      [](unsigned char a, std::byte b) { return a == std::to_integer<unsigned char>(b); });
  };
  return starts_with(kJpeg) ? Format::kJpeg : starts_with(kPng) ? Format::kPng : Format::kNone;
}

DataError not_a_picture(const std::string& name, std::size_t size) {
  return DataError("'" + name + "': " + (size == 0 ? "the file is empty" : "neither JPEG nor PNG") +
                   "; other formats are not read");
}

int big_endian(std::span<const std::byte> bytes) {
  int value = 0;
  for (const std::byte byte : bytes) value = (value << 8) | std::to_integer<int>(byte);
  return value;
}

DataError no_size(const ReadOnlyFile& file) {
  return DataError("'" + file.name() + "': the header does not say the picture's size");
}

PictureSize png_size(const ReadOnlyFile& file) {
  std::array<std::byte, 24> head;  // signature, length and name of the first chunk, width, height
  if (file.size() < head.size()) throw no_size(file);
  file.read(0, head);
  const std::span<const std::byte> bytes(head);
  if (big_endian(bytes.subspan(12, 4)) != 0x49484452) throw no_size(file);  // "IHDR"
  return {big_endian(bytes.subspan(16, 4)), big_endian(bytes.subspan(20, 4))};
}

/// Walks the markers up to the frame header (SOF); the pixels come after it.
PictureSize jpeg_size(const ReadOnlyFile& file) {
  std::uint64_t at = 2;
  std::array<std::byte, 9> head;  // FF, marker, length, precision, height, width
  const std::span<const std::byte> bytes(head);
  while (at + head.size() <= file.size()) {
    file.read(at, head);
    const int marker = big_endian(bytes.subspan(1, 1));
    if (big_endian(bytes.first(1)) != 0xFF) break;
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) return {big_endian(bytes.subspan(7, 2)), big_endian(bytes.subspan(5, 2))};
    at += 2 + static_cast<std::uint64_t>(big_endian(bytes.subspan(2, 2)));
  }
  throw no_size(file);
}

}  // namespace

Picture make_claimed_picture(std::int64_t width, std::int64_t height, const std::string& name,
                             const PictureLimits& limits) {
  if (width <= 0 || height <= 0 || width > kLongestSide || height > kLongestSide ||
      width * height > limits.max_pixels) {
    throw DataError("'" + name + "': claims " + std::to_string(width) + "x" + std::to_string(height) +
                    " pixels; at most " + with_thousands(limits.max_pixels) + " are accepted");
  }
  return Picture(static_cast<int>(width), static_cast<int>(height));
}

Picture decode_picture(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits) {
  switch (format_of(bytes)) {
    case Format::kJpeg:
      return decode_jpeg(bytes, name, limits);
    case Format::kPng:
      return decode_png(bytes, name, limits);
    case Format::kNone:
      break;
  }
  throw not_a_picture(name, bytes.size());
}

Picture read_picture(const std::filesystem::path& file, const PictureLimits& limits) {
  return decode_picture(read_binary_file(file, kLargestFile), file.string(), limits);
}

PictureSize read_picture_size(const std::filesystem::path& path) {
  const ReadOnlyFile file(path);
  std::array<std::byte, 8> head = {};
  const std::span<std::byte> start = std::span(head).first(std::min<std::uint64_t>(head.size(), file.size()));
  file.read(0, start);
  const Format format = format_of(start);
  if (format == Format::kNone) throw not_a_picture(file.name(), file.size());
  const PictureSize size = format == Format::kJpeg ? jpeg_size(file) : png_size(file);
  if (size.width <= 0 || size.height <= 0) throw no_size(file);
  return size;
}

bool has_picture_extension(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

void write_picture(const std::filesystem::path& file, const Picture& picture, int jpeg_quality) {
  RTDETR_CHECK(picture.width > 0 && picture.height > 0,
               "an empty picture cannot be written to '" + file.string() + "'");
  if (!has_picture_extension(file)) {
    throw ConfigError("cannot write a picture to '" + file.string() + "': the name must end in .jpg, .jpeg or .png");
  }
  const std::string extension = file.extension().string();
  const bool png = extension.size() == 4 && (extension[2] == 'n' || extension[2] == 'N');
  const std::vector<std::byte> bytes = png ? encode_png(picture) : encode_jpeg(picture, jpeg_quality);
  write_file_atomically(file, [&](FileSink& sink) { sink.write(bytes); }, {.durable = false});
}

}  // namespace rtdetr
