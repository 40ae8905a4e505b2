#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/io/picture.h"

/// The two decoders behind picture.h. Their libraries report errors by longjmp, so each lives in a file of its own
/// whose jumping functions hold no C++ objects.
namespace rtdetr {

inline constexpr int kLongestSide = 65'500;  ///< JPEG's own limit; for PNG too

/// @throws DataError  "'<name>': <what is wrong>"
Picture decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);
Picture decode_png(std::span<const std::byte> bytes, const std::string& name, const PictureLimits& limits);

std::vector<std::byte> encode_jpeg(const Picture& picture, int quality);
std::vector<std::byte> encode_png(const Picture& picture);

/// A picture of the size its header claims, once that is within the limits.
Picture make_claimed_picture(std::int64_t width, std::int64_t height, const std::string& name,
                             const PictureLimits& limits);

}  // namespace rtdetr
