#include "core/image/picture.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture_codecs.h"
#include "core/image/picture_names.h"
#include "core/image/tiff_directory.h"
#include "core/io/file.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

enum class Format { kNone, kJpeg, kPng, kWebp, kBmp, kTiff };

Format format_of(std::span<const std::byte> bytes) {
  using namespace std::string_view_literals;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xFF\xD8\xFF"sv)) return Format::kJpeg;
  if (text.starts_with("\x89PNG\r\n\x1A\n"sv)) return Format::kPng;
  if (text.starts_with("RIFF"sv) && text.size() >= 12 && text.substr(8, 4) == "WEBP") return Format::kWebp;
  if (text.starts_with("II*\0"sv) || text.starts_with("MM\0*"sv)) return Format::kTiff;
  return text.starts_with("BM"sv) ? Format::kBmp : Format::kNone;
}

/// @param start  the file's first bytes, as many as format_by_content wants if there are so many
DataError not_a_picture(const std::string& name, std::span<const std::byte> start) {
  if (start.empty()) return DataError("'" + name + "': the file is empty");
  const std::string format = format_by_content(start);
  return DataError("'" + name + "': neither " + picture_format_names() + (format.empty() ? "" : ", but " + format) +
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

/// Where the next marker stands, from `at` on: FF before a byte that is neither padding nor stuffed. The file's size if
/// there is none.
std::uint64_t next_jpeg_marker(const ReadOnlyFile& file, std::uint64_t at) {
  std::array<std::byte, 512> block;
  while (at + 1 < file.size()) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(block.size(), file.size() - at));
    file.read(at, part);
    for (std::size_t i = 0; i + 1 < part.size(); ++i) {
      if (part[i] == std::byte{0xFF} && part[i + 1] != std::byte{0xFF} && part[i + 1] != std::byte{0}) return at + i;
    }
    at += part.size() - 1;
  }
  return file.size();
}

/// Walks the markers up to the frame header (SOF); the pixels come after it. What stands between them is passed over,
/// as the decoder does.
PictureSize jpeg_size(const ReadOnlyFile& file) {
  std::array<std::byte, 9> head;  // FF, marker, length, precision, height, width
  const std::span<const std::byte> bytes(head);
  for (std::uint64_t at = 2; (at = next_jpeg_marker(file, at)) + head.size() <= file.size();) {
    file.read(at, head);
    const int marker = big_endian(bytes.subspan(1, 1));
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) return {big_endian(bytes.subspan(7, 2)), big_endian(bytes.subspan(5, 2))};
    if (marker == 0xDA || marker == 0xD9) break;  // the pixels, or the end
    const bool bare = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
    at += 2 + (bare ? 0 : static_cast<std::uint64_t>(big_endian(bytes.subspan(2, 2))));
  }
  throw no_size(file);
}

PictureSize tiff_size(const ReadOnlyFile& file) {
  constexpr std::uint32_t kWidth = 256, kHeight = 257;
  const ReadAt read = [&](std::uint64_t at, std::span<std::byte> out) {
    if (at > file.size() || file.size() - at < out.size()) return false;
    file.read(at, out);
    return true;
  };
  const auto width = tiff_number(read, kWidth, true), height = tiff_number(read, kHeight, true);
  if (!width || !height || *width > kLongestSide || *height > kLongestSide) throw no_size(file);
  return {static_cast<int>(*width), static_cast<int>(*height)};
}

PictureSize size_of(Format format, const ReadOnlyFile& file, std::span<const std::byte> start) {
  switch (format) {
    case Format::kJpeg:
      return jpeg_size(file);
    case Format::kPng:
      return png_size(file);
    case Format::kWebp:
      return webp_size(start, file.name());
    case Format::kBmp:
      return bmp_size(start, file.name());
    case Format::kTiff:
      return tiff_size(file);
    case Format::kNone:
      break;
  }
  throw not_a_picture(file.name(), start.first(std::min(start.size(), kSignatureBytes)));
}

}  // namespace

void check_claimed_size(std::int64_t width, std::int64_t height, const std::string& name, const PictureLimits& limits) {
  const auto claim = [&] { return "'" + name + "': claims " + std::to_string(width) + "x" + std::to_string(height); };
  if (width <= 0 || height <= 0 || width > kLongestSide || height > kLongestSide) {
    throw DataError(claim() + " pixels; sides are from 1 to " + with_thousands(kLongestSide));
  }
  if (width * height > limits.max_pixels) {
    throw DataError(claim() + " = " + with_thousands(width * height) + " pixels; at most " +
                    with_thousands(limits.max_pixels) + " are accepted: max_pixels=" + std::to_string(width * height) +
                    " reads it, if there are " + std::to_string(mebibytes(bytes_for_pixels(width * height))) +
                    " MiB of memory for each picture on its way");
  }
}

void check_decoding_memory(const DecodingMemory& memory, const std::string& name, const PictureLimits& limits) {
  const double bytes = memory.bytes - 3 * static_cast<double>(memory.file_bytes);
  if (bytes <= bytes_for_pixels(limits.max_pixels)) return;
  const auto enough = static_cast<std::int64_t>(bytes / bytes_for_pixels(1)) + 1;
  throw DataError("'" + name + "': " + memory.what + " that needs " + std::to_string(mebibytes(bytes)) +
                  " MiB to decode beside three times its " + with_thousands(static_cast<long long>(memory.file_bytes)) +
                  " bytes, more than max_pixels=" + std::to_string(limits.max_pixels) +
                  " allows; max_pixels=" + std::to_string(enough) + " reads it");
}

Picture decode_picture(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits,
                       const PictureSize& enough) {
  if (bytes.size() > kLargestPictureFile)
    throw DataError("'" + name + "': " + with_thousands(static_cast<long long>(bytes.size())) +
                    " bytes are no picture");
  switch (format_of(bytes)) {
    case Format::kJpeg:
      return decode_jpeg(bytes, name, limits, enough);
    case Format::kPng:
      return decode_png(bytes, name, limits);
    case Format::kWebp:
      return decode_webp(bytes, name, limits);
    case Format::kBmp:
      return decode_bmp(bytes, name, limits);
    case Format::kTiff:
      return decode_tiff(bytes, name, limits);
    case Format::kNone:
      break;
  }
  throw not_a_picture(name, bytes.first(std::min(bytes.size(), kSignatureBytes)));
}

Picture read_picture(const std::filesystem::path& file, const PictureLimits& limits, const PictureSize& enough) {
  return decode_picture(read_binary_file(file, kLargestPictureFile), file.string(), limits, enough);
}

PictureSize read_picture_size(const std::filesystem::path& path) {
  const ReadOnlyFile file(path);
  std::array<std::byte, kSizeBytes> head = {};
  const std::span<std::byte> start = std::span(head).first(std::min<std::uint64_t>(head.size(), file.size()));
  file.read(0, start);
  const PictureSize size = size_of(format_of(start), file, start);
  if (size.width <= 0 || size.height <= 0) throw no_size(file);
  return size;
}

bool is_written_as_picture(const std::filesystem::path& file) {
  const std::string extension = lower_extension(file);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

void write_picture(const std::filesystem::path& file, const Picture& picture, int jpeg_quality) {
  RTDETR_CHECK(picture.width > 0 && picture.height > 0,
               "an empty picture cannot be written to '" + file.string() + "'");
  if (!is_written_as_picture(file)) {
    throw ConfigError("cannot write a picture to '" + file.string() + "': the name must end in .jpg, .jpeg or .png");
  }
  const bool png = lower_extension(file) == ".png";
  const std::vector<std::byte> bytes = png ? encode_png(picture) : encode_jpeg(picture, jpeg_quality);
  write_file_atomically(file, [&](FileSink& sink) { sink.write(bytes); }, {.durable = false});
}

}  // namespace rtdetr
