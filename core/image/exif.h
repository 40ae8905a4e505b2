#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "core/image/picture.h"

namespace rtdetr {

/// How a camera was held, as EXIF (2.32, tag 0x0112) numbers it: 1 is upright, 2 to 8 are mirrored, turned, or both.
/// From a JPEG's first "Exif" segment, a PNG's eXIf or a WebP's EXIF chunk, or a TIFF's first directory; XMP is not
/// looked at.
/// @return  1 if the picture says nothing, or nothing that can be understood: it is then taken as it is stored
int exif_orientation(std::span<const std::byte> picture);
/// The same, reading little more than the headers. @throws IoError
int exif_orientation(const std::filesystem::path& file);

/// True if the stored picture lies on its side: width and height change places.
inline bool exif_swaps_sides(int orientation) { return orientation >= 5; }

/// The stored picture as it was seen.
Picture turn_upright(Picture picture, int orientation);

/// read_picture() and read_picture_size(), upright.
Picture read_upright_picture(const std::filesystem::path& file, const PictureLimits& limits = {},
                             const PictureSize& enough = {});
/// The same of what is in memory. @param name  for messages
Picture decode_upright_picture(std::span<const std::byte> bytes, const std::string& name,
                               const PictureLimits& limits = {}, const PictureSize& enough = {});
PictureSize read_upright_picture_size(const std::filesystem::path& file);

}  // namespace rtdetr
