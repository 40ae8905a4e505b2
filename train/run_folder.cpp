#include "train/run_folder.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/io/error.h"
#include "core/io/file.h"
#include "core/io/log.h"

namespace rtdetr {
namespace {

std::string this_process() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return "process " + std::to_string(getpid()) + " on " + host.data();
}

}  // namespace

RunFolder RunFolder::create(const std::filesystem::path& project, const std::string& name, bool exist_ok) {
  if (exist_ok) return RunFolder(project / name);
  return RunFolder(make_fresh_folder(project, name));
}

RunFolder::RunFolder(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) throw IoError("cannot make the run folder " + path_.string() + ": " + error.message());
  lock();
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

void RunFolder::lock() {
  const std::filesystem::path file = path_ / ".lock";
  lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (lock_ < 0) throw IoError("cannot write in the run folder " + path_.string() + ": " + std::strerror(errno));
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {  // some network file systems have no locks
      log::warning(path_.string() + ": cannot be locked (" + std::strerror(errno) + "); start no second run in it");
      return;
    }
    std::array<char, 512> owner{};
    const bool known = pread(lock_, owner.data(), owner.size() - 1, 0) > 0;
    close(std::exchange(lock_, -1));
    throw ConfigError("the run folder " + path_.string() + " is in use by " +
                      (known ? owner.data() : "another process") + "; wait for it, or choose another name=");
  }
  if (const int files = remove_leftover_temporaries(path_); files > 0) {
    log::debug("removed " + std::to_string(files) + " temporary files of a killed run in " + path_.string());
  }
  const std::string owner = this_process();
  if (ftruncate(lock_, 0) != 0 || pwrite(lock_, owner.data(), owner.size(), 0) < 0) {
    log::warning(file.string() + ": cannot be written: " + std::strerror(errno));
  }
}

}  // namespace rtdetr
