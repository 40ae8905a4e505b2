#include "core/io/read_only_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace rtdetr {

std::string errno_words(int error) {
  const char* name = strerrorname_np(error);
  return std::string(strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error") + " (" +
         (name ? name : std::to_string(error)) + ")";
}

ReadOnlyFile::ReadOnlyFile(const std::filesystem::path& file) : name_(file.string()) {
  const std::string refusal = std::string("cannot read '") + name_.c_str() + "': ";
  if (name_.find('\0') != std::string::npos) throw IoError(refusal + "the path holds a NUL character");
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  descriptor_ = Descriptor(::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor_) throw IoError(refusal + errno_words(errno));
  struct stat status = {};
  if (::fstat(descriptor_.number(), &status) != 0) throw IoError(refusal + errno_words(errno));
  if (!S_ISREG(status.st_mode)) {
    throw IoError(refusal + (S_ISDIR(status.st_mode) ? "it is a folder" : "it is not an ordinary file"));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ReadOnlyFile::ReadOnlyFile(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), size_(bytes.size()), name_(std::move(name)) {}

ssize_t ReadOnlyFile::read_some(std::uint64_t offset, std::span<std::byte> out) const {
  if (descriptor_) return ::pread(descriptor_.number(), out.data(), out.size(), static_cast<off_t>(offset));
  const auto rest = bytes_.subspan(std::min<std::uint64_t>(offset, bytes_.size()));
  const std::size_t count = std::min(out.size(), rest.size());
  std::copy_n(rest.begin(), count, out.begin());
  return static_cast<ssize_t>(count);
}

void ReadOnlyFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = read_some(offset, out);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw IoError("cannot read '" + name_ + "': " + errno_words(errno));
    if (got == 0)
      throw IoError("cannot read '" + name_ + "': it ends at byte " + std::to_string(offset) + ", before the " +
                    std::to_string(out.size()) + " bytes still wanted");
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

}  // namespace rtdetr
