#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "core/image/picture.h"

/// Makers of small data sets on disk.
namespace rtdetr::test {

inline void write_file(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

/// A picture whose pixels depend on `seed`. The extension tells the format.
inline void write_small_picture(const std::filesystem::path& file, int width, int height, int seed) {
  std::filesystem::create_directories(file.parent_path());
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    picture.rgb[i] = static_cast<std::uint8_t>((i / 3) * 7 + static_cast<std::size_t>(seed) * 31 + i % 3);
  }
  write_picture(file, picture);
}

}  // namespace rtdetr::test
