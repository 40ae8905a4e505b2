#include "core/io/line_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostWaiting = std::size_t{16} << 20;

}  // namespace

LineFile::LineFile(const std::filesystem::path& file)
    : name_(file.string()), descriptor_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (!descriptor_) throw IoError("cannot write '" + name_ + "': " + errno_words(errno));
}

LineFile::~LineFile() { write_waiting(); }

/// @return  0, or the errno of the write that failed; what was written no longer waits
int LineFile::write_waiting() {
  while (!waiting_.empty()) {
    const ssize_t done = ::write(descriptor_.number(), waiting_.data(), waiting_.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    waiting_.erase(0, static_cast<std::size_t>(done));
  }
  told_ = false;
  return 0;
}

void LineFile::append(const std::string& lines) {
  waiting_ += lines;
  const int error = write_waiting();
  if (error == 0) return;
  if (waiting_.size() > kMostWaiting) flush();
  if (told_) return;
  told_ = true;
  log::end_progress();
  log::warning("cannot write '" + name_ + "': " + errno_words(error) + "; its lines wait in memory");
}

void LineFile::flush() {
  const int error = write_waiting();
  if (error == 0) return;
  throw IoError("cannot write '" + name_ + "': " + errno_words(error) + "; " +
                with_thousands(static_cast<long long>(waiting_.size())) + " bytes of it wait in memory");
}

}  // namespace rtdetr
