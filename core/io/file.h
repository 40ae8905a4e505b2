#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace rtdetr {

/// Whole file, at most `limit` bytes. @throws IoError with path and errno's words
std::string read_text_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);
std::vector<std::byte> read_binary_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);

/// The lines of a list, without spaces around them; empty ones stay, so that an index tells the line's number.
/// @throws DataError  if the text is not in UTF-8 but UTF-16; IoError
std::vector<std::string> read_text_lines(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);

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
  bool durable = true;                  ///< fsync the file and its folder
  std::filesystem::path keep_previous;  ///< if not empty: the present file stays reachable under this name (hard link)
  /// Looks at the whole, synced temp file before it gets the target's name; what this throws, the write throws.
  std::function<void(const std::filesystem::path& temporary)> verify;
};

/// The new file is in place and whole, but its folder could not be synced, and a power cut may still take it away; or
/// the one before it could not be named as asked.
struct UnsyncedError : IoError {
  explicit UnsyncedError(const std::string& message) : IoError(message) {}
};

/// The one way a file of ours appears: temp file beside the target (O_EXCL, O_NOFOLLOW) → fsync → `verify` → rename →
/// fsync of the folder. A reader sees the old file or the new one, never a part. With `keep_previous` every moment
/// shows two whole versions once there were two, except where the file system has no hard links. On a failure the
/// target is untouched and the temp file removed; only an UnsyncedError comes when the new file is in place already.
/// @throws IoError  path, errno's words, bytes needed and free; UnsyncedError
void write_file_atomically(const std::filesystem::path& target, const std::function<void(FileSink&)>& write,
                           const AtomicWriteOptions& options = {});
void write_text_atomically(const std::filesystem::path& target, std::string_view text);
/// Calls `write`; an UnsyncedError of it becomes a warning.
void synced_or_said(const std::function<void()>& write);

/// Removes the temp files that killed writers left in `folder`. Only for who holds the folder's lock: a living writer's
/// file would go, too. @return how many
int remove_leftover_temporaries(const std::filesystem::path& folder);
/// The same for one target in a folder that nobody locks: a living process's file stays. @return how many
int remove_leftover_temporaries_of(const std::filesystem::path& target);

/// Makes a folder and those above it, where they are not there yet. @throws IoError  with path and errno's words
void make_folders(const std::filesystem::path& folder);

/// Makes a new folder `parent/stem`, or the first free of `parent/stem-2`, `-3`, …: mkdir is the lock, so two runs
/// never share one. Who may enter it is up to the umask. `stem` may hold folders of its own, but not lead out of
/// `parent`.
/// @throws ConfigError  for such a stem; IoError
std::filesystem::path make_fresh_folder(const std::filesystem::path& parent, const std::string& stem);

/// A folder that appears whole or not at all: its files are written under a temporary name beside it, and it gets its
/// own name when all are there. Unless it does, it is removed.
class FolderInMaking {
 public:
  /// Makes the temporary folder; those of the same target that killed writers left are removed. @throws IoError
  explicit FolderInMaking(std::filesystem::path target);
  ~FolderInMaking();
  FolderInMaking(const FolderInMaking&) = delete;
  FolderInMaking& operator=(const FolderInMaking&) = delete;
  std::filesystem::path operator/(const char* name) const { return temporary_ / name; }
  /// The temporary folder. Links out of it lead to the same place before and after.
  const std::filesystem::path& path() const { return temporary_; }
  /// @throws IoError  if something has the target's name by now, which stays as it is; UnsyncedError
  void publish();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace rtdetr
