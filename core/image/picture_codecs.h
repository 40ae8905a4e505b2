#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/image/picture.h"

/// The decoders behind picture.h. Libraries that report errors by longjmp each live in a file of their own whose
/// jumping functions hold no C++ objects.
namespace rtdetr {

inline constexpr int kLongestSide = 65'500;  ///< JPEG's own limit; for the others too

/// Memory that decoding may take for so many pixels, beside three times the file: 256 MiB for the usual 64 million.
/// A picture that is decoded row by row takes 3 bytes a pixel; the rest is for coefficients of a JPEG in several scans.
constexpr double bytes_for_pixels(std::int64_t pixels) { return static_cast<double>(pixels) * (256 << 20) / 64e6; }
constexpr std::int64_t mebibytes(double bytes) { return static_cast<std::int64_t>(bytes / (1 << 20) + 0.5); }

/// @throws DataError  "'<name>': <what is wrong>"
Picture decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits,
                    const PictureSize& enough);
Picture decode_png(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);
Picture decode_webp(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);
Picture decode_bmp(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);
Picture decode_tiff(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);

/// The size that a file's first kSizeBytes bytes claim. @throws DataError  as above
inline constexpr std::size_t kSizeBytes = 64;
PictureSize webp_size(std::span<const std::byte> start, const std::string& name);
PictureSize bmp_size(std::span<const std::byte> start, const std::string& name);

std::vector<std::byte> encode_jpeg(const Picture& picture, int quality);
std::vector<std::byte> encode_png(const Picture& picture);

/// @throws DataError  if the size that a header claims is beyond the limits; before memory is asked for
void check_claimed_size(std::int64_t width, std::int64_t height, const std::string& name, const PictureLimits& limits);

/// What decoding takes where that is more than row after row.
struct DecodingMemory {
  const char* what = "";       ///< "a JPEG in several scans"
  double bytes = 0;            ///< the result included
  std::size_t file_bytes = 0;  ///< three times as much is granted beside bytes_for_pixels(max_pixels)
};
/// @throws DataError  if that is far beyond what a file of this size can be worth
void check_decoding_memory(const DecodingMemory& memory, const std::string& name, const PictureLimits& limits);

}  // namespace rtdetr
