#pragma once

#include "core/base/cpp20.h"

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
/// an exception. Folders, pipes and devices are refused before a byte is read.
class ReadOnlyFile {
 public:
  /// @throws IoError  naming the path and errno's words
  explicit ReadOnlyFile(const std::filesystem::path& file);

  const std::string& name() const { return name_; }
  /// Size when it was opened.
  std::uint64_t size() const { return size_; }
  /// Fills `out` from `offset` on. @throws IoError  also when the file ends before
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
  std::string name_;
};

}  // namespace rtdetr
