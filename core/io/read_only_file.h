#pragma once

#include "core/base/cpp20.h"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "core/base/descriptor.h"

namespace rtdetr {

/// "No space left on device (ENOSPC)": errno's words and name.
std::string errno_words(int error);

/// An ordinary file open for reading at any position. Reads with pread, so threads may share it and a failing disk is
/// an exception. Folders, pipes and devices are refused before a byte is read. Or a file's bytes in memory.
class ReadOnlyFile {
 public:
  /// @throws IoError  naming the path and errno's words
  explicit ReadOnlyFile(const std::filesystem::path& file);
  /// @param bytes  stay as they are while this lives  @param name  what messages call them
  ReadOnlyFile(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const { return name_; }
  /// Size when it was opened.
  std::uint64_t size() const { return size_; }
  /// Fills `out` from `offset` on. @throws IoError  also when the file ends before
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  /// As pread.
  ssize_t read_some(std::uint64_t offset, std::span<std::byte> out) const;

  Descriptor descriptor_;  ///< none: the bytes are in memory
  std::span<const std::byte> bytes_;
  std::uint64_t size_ = 0;
  std::string name_;
};

}  // namespace rtdetr
