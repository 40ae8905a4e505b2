#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// Whole file, at most `limit` bytes. @throws IoError with path and errno's words
std::string read_text_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);
std::vector<std::byte> read_binary_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);

/// Receives the bytes of a file being written. Handles short writes and EINTR; throws IoError with what was needed
/// and what the file system has free.
class FileSink {
 public:
  explicit FileSink(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

 private:
  int descriptor_;
  std::string name_;
};

struct AtomicWriteOptions {
  bool durable = true;                   ///< fsync the file and its folder
  std::filesystem::path keep_previous;   ///< if not empty: the present file stays reachable under this name (hard link)
};

/// The one way a file of ours appears: temp file beside the target (O_EXCL, O_NOFOLLOW) → fsync → keep the present
/// one under `keep_previous` → rename → fsync of the folder. On any failure the target is untouched and the temp file
/// removed. A reader sees the old file or the new one, never a part (reliability.md C1–C4).
void write_file_atomically(const std::filesystem::path& target, const std::function<void(FileSink&)>& write,
                           const AtomicWriteOptions& options = {});
void write_text_atomically(const std::filesystem::path& target, std::string_view text);

/// Makes a new folder `parent/stem`, or the first free of `parent/stem-2`, `-3`, …: mkdir is the lock, so two runs
/// never share one.
std::filesystem::path make_fresh_folder(const std::filesystem::path& parent, const std::string& stem);

}  // namespace rtdetr
