#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Pictures that say how the camera was held.
namespace rtdetr::test {

/// A TIFF directory with the orientation alone, behind another entry.
inline std::string exif_text(int orientation, bool little_endian) {
  const auto number = [&](std::uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) {
      text += static_cast<char>(value >> 8 * (little_endian ? i : bytes - 1 - i));
    }
    return text;
  };
  const auto entry = [&](std::uint32_t tag, std::uint32_t value) {
    return number(tag, 2) + number(3, 2) + number(1, 4) + number(value, 2) + number(0, 2);
  };
  return std::string(little_endian ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) + entry(0x0100, 77) +
         entry(0x0112, static_cast<std::uint32_t>(orientation)) + number(0, 4);
}

inline std::uint32_t crc_of(const std::string& text) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : text) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

inline std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
  return text;
}

/// @param picture  a JPEG or PNG file
/// @param at_end   PNG: the chunk comes behind the pixels
inline std::string with_exif(const std::string& picture, const std::string& exif, bool at_end = false) {
  if (picture.starts_with("\xFF\xD8")) {
    const std::string body = std::string("Exif\0\0", 6) + exif;
    return picture.substr(0, 2) + std::string("\xFF\xE1") + big_endian(static_cast<std::uint32_t>(body.size() + 2), 2) +
           body + picture.substr(2);
  }
  const std::string body = std::string("eXIf") + exif;
  const std::string chunk = big_endian(static_cast<std::uint32_t>(exif.size()), 4) + body + big_endian(crc_of(body), 4);
  constexpr std::size_t kFirstChunk = 8 + 25, kLastChunk = 12;  // signature and IHDR; IEND
  const std::size_t at = at_end ? picture.size() - kLastChunk : kFirstChunk;
  return picture.substr(0, at) + chunk + picture.substr(at);
}

}  // namespace rtdetr::test
