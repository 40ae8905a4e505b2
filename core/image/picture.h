#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/image/picture_size.h"
#include "core/image/rgb_view.h"

namespace rtdetr {

/// A picture in memory: RGB bytes, rows top to bottom, [height][width][3], no padding.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
  /// What its decoder found odd in the file, each kind once and without numbers ("extraneous bytes before a marker");
  /// the pixels are all there. See PictureWarnings.
  std::vector<std::string> warnings;
  /// Size of the stored picture, where this was decoded smaller; else {0, 0}.
  PictureSize reduced_from;

  Picture() = default;
  Picture(int w, int h) : width(w), height(h), rgb(static_cast<std::size_t>(w) * h * 3) {}
  std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * width * 3; }
  PictureSize full_size() const { return reduced_from.width > 0 ? reduced_from : PictureSize{width, height}; }
  operator RgbView() const { return {rgb.data(), width, height, 0, reduced_from.width, reduced_from.height}; }
};

/// Files larger than this are nobody's photographs, and are not read.
inline constexpr std::size_t kLargestPictureFile = std::size_t{1} << 29;

struct PictureLimits {
  std::int64_t max_pixels = 64'000'000;  ///< by the header's claim; memory and time are bounded in proportion
  int max_scans = 500;                   ///< of a progressive JPEG
};

/// JPEG, PNG, WebP, TIFF and BMP by their signatures, nothing else, through libjpeg-turbo, libpng, libwebp and libtiff.
/// What decodes whole is read, with the decoder's warnings in the result; where pixels are missing or made up (a file
/// that ends early, entropy codes that are none, a restart marker out of turn) it is corrupt. Grey, CMYK, palette,
/// 16-bit and alpha become RGB as Pillow's convert("RGB") does (alpha is dropped); only 16-bit grey keeps its high
/// byte, where Pillow turns everything above 255 white, and in a TIFF 16-bit colours are rounded and colours that were
/// multiplied with their alpha stay so. Of an animation or of several pages the first is read, with a warning (of an
/// animated PNG without). EXIF orientation is ignored, as the reference does (exif.h has what turns upright). Memory
/// stays within 4.2 bytes for each of max_pixels (256 MiB) and three times the file, time within seconds.
/// @param name    what messages call the picture
/// @param enough  sides that the caller can do with: a JPEG at least twice as large comes at a half, a quarter or an
///                eighth of its own, none below these, for less work. {0, 0}: every pixel is wanted
/// @throws DataError  naming the picture and what is wrong
Picture decode_picture(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits = {},
                       const PictureSize& enough = {});
Picture read_picture(const std::filesystem::path& file, const PictureLimits& limits = {},
                     const PictureSize& enough = {});
/// Size from the header alone.
PictureSize read_picture_size(const std::filesystem::path& file);

/// Whether write_picture knows the extension: .jpg .jpeg .png in any case.
bool is_written_as_picture(const std::filesystem::path& file);
/// Encodes and writes atomically; the format is told by the extension.
void write_picture(const std::filesystem::path& file, const Picture& picture, int jpeg_quality = 92);

}  // namespace rtdetr
