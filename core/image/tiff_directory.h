#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace rtdetr {

/// Fills `out` from byte `at` on; false if there are not so many.
using ReadAt = std::function<bool(std::uint64_t at, std::span<std::byte> out)>;

std::uint32_t number_of(std::span<const std::byte> bytes, bool little_endian);

/// A whole number in the first directory of a TIFF, or of EXIF, which is one. Nothing that does not hold together is
/// complained about.
/// @param read  from the byte order mark on
/// @return      nullopt if there is no such tag, or if it is not one number of 16 or, where `wide`, 32 bits
std::optional<std::uint32_t> tiff_number(const ReadAt& read, std::uint32_t tag, bool wide = false);

}  // namespace rtdetr
