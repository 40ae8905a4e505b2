#pragma once

#include <filesystem>
#include <string>

#include "core/base/descriptor.h"

namespace rtdetr {

/// A file that grows by lines. What the disk does not take, e.g. while it is full, is told once, waits in memory and
/// is written with a later line: nothing is lost or torn as long as this object lives.
class LineFile {
 public:
  /// @throws IoError
  explicit LineFile(const std::filesystem::path& file);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// @throws IoError  when more waits than a run should hold in memory (16 MiB)
  void append(const std::string& lines);
  /// Everything appended is in the file now. @throws IoError
  void flush();

 private:
  int write_waiting();

  std::string name_;
  Descriptor descriptor_;
  std::string waiting_;
  bool told_ = false;
};

}  // namespace rtdetr
