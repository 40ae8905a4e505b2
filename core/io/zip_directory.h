#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/little_endian.h"
#include "core/io/zip_file.h"

/// The central directory of a zip archive, as text. For zip_file.cpp.
namespace rtdetr {

struct ZipRecord {
  ZipEntry entry;  ///< offset not set
  std::uint64_t header_at = 0;
  std::uint16_t flags = 0;
};

/// Bit 3 of an entry's flags: sums and sizes stand behind its bytes.
inline constexpr std::uint16_t kZipDescriptor = 1 << 3;
/// Bit 11: its name is UTF-8.
inline constexpr std::uint16_t kZipUtf8Name = 1 << 11;
/// Of the header in front of an entry's name.
inline constexpr std::size_t kZipLocalBytes = 30;

/// Where the directory lies, from the end records.
struct ZipExtent {
  std::uint64_t begin = 0, size = 0, count = 0;
};
ZipExtent find_zip_directory(const ReadOnlyFile& file);

/// @param text  the directory  @param count  of entries that it must hold
std::vector<ZipRecord> parse_zip_directory(std::string_view text, std::uint64_t count, const std::string& file);

inline std::uint64_t zip_number(std::string_view text, std::size_t at, std::size_t bytes) {
  return little_endian(text.substr(at, bytes));
}
[[noreturn]] void refuse_zip(const std::string& file, const std::string& message);
std::string read_zip_bytes(const ReadOnlyFile& file, std::uint64_t at, std::size_t count);

}  // namespace rtdetr
