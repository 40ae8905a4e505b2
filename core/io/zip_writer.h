#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/io/file.h"

namespace rtdetr {

/// What a zip archive holds at most without zip64, directory included: all ones would point to a zip64 field.
inline constexpr std::uint64_t kMostZipBytes = 0xFFFFFFFE, kMostZipEntries = 0xFFFE;

/// Writes a zip archive of stored entries, with their sums: what zip_file.h reads, and every other program. It has no
/// zip64: who may have more than that fits asks before the first entry. The same entries give the same bytes.
class ZipWriter {
 public:
  explicit ZipWriter(FileSink& sink) : sink_(sink) {}

  /// @param alignment  the entry's bytes begin at a multiple of it in the file, up to 4,096
  /// @throws InternalError  if the archive gets more bytes or entries than fit; IoError
  void add(const std::string& name, std::span<const std::byte> bytes, std::size_t alignment = 1);
  void add(const std::string& name, std::string_view text);
  /// The directory. To be called once, at the end.
  void finish();

 private:
  void write(std::span<const std::byte> bytes);
  void write(const std::string& text);

  FileSink& sink_;
  std::uint64_t at_ = 0;
  std::string directory_;
  std::uint64_t entries_ = 0;
};

}  // namespace rtdetr
