#include "train/run/run_folder.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/host_name.h"
#include "core/base/log.h"
#include "core/io/file.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

std::string this_process() { return "process " + std::to_string(getpid()) + " on " + host_name(); }

}  // namespace

std::filesystem::path make_run_folder(const std::filesystem::path& project, const std::string& name, bool exist_ok) {
  try {
    if (!exist_ok) return make_fresh_folder(project, name);
    make_folders(project / name);
    return project / name;
  } catch (const IoError& error) {
    throw IoError(std::string(error.what()) + "; project= names a place where you may write");
  }
}

RunFolder RunFolder::create(const std::filesystem::path& project, const std::string& name, bool exist_ok) {
  return RunFolder(make_run_folder(project, name, exist_ok));
}

RunFolder::RunFolder(std::filesystem::path path) : path_(std::move(path)) {
  make_folders(path_);
  lock();
}

RunFolder RunFolder::named(std::filesystem::path path) {
  RunFolder folder;
  folder.path_ = std::move(path);
  return folder;
}

RunFolder open_together(ProcessGroup& group, const std::function<RunFolder()>& open) {
  std::optional<RunFolder> folder;
  std::exception_ptr failure;
  if (group.is_main()) {
    try {
      folder.emplace(open());
    } catch (...) {
      failure = std::current_exception();
    }
  }
  std::string path = folder ? folder->path().string() : "";
  group.broadcast(path);
  if (failure) std::rethrow_exception(failure);
  if (path.empty()) throw Error(ExitCode::kPeer, "the main process could not open the run's folder, and says why");
  return folder ? std::move(*folder) : RunFolder::named(path);
}

void RunFolder::lock() {
  const std::filesystem::path file = path_ / ".lock";
  lock_ = Descriptor(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!lock_) throw IoError("cannot write in the run folder " + path_.string() + ": " + errno_words(errno));
  if (flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {  // some network file systems have no locks
      log::warning(path_.string() + ": cannot be locked (" + std::strerror(errno) + "); start no second run in it");
      return;
    }
    std::array<char, 512> owner{};
    const bool known = pread(lock_.number(), owner.data(), owner.size() - 1, 0) > 0;
    lock_.close();
    throw ConfigError("the run folder " + path_.string() + " is in use by " +
                      (known ? owner.data() : "another process") + "; wait for it, or choose another name=");
  }
  if (const int files = remove_leftover_temporaries(path_); files > 0) {
    log::debug("removed " + std::to_string(files) + " temporary files of a killed run in " + path_.string());
  }
  const std::string owner = this_process();
  if (ftruncate(lock_.number(), 0) != 0 || pwrite(lock_.number(), owner.data(), owner.size(), 0) < 0) {
    log::warning(file.string() + ": cannot be written: " + std::strerror(errno));
  }
}

}  // namespace rtdetr
