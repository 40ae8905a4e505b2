/// A shared library for LD_PRELOAD that lets one system call of a save fail. It counts the calls that change files
/// below one folder and acts at the chosen one:
///
///   RTDETR_FAULT_IN      the folder; calls on other files do not count
///   RTDETR_FAULT_CALL    name of the call: open, write, fsync, close, link, rename, unlink, or `any`
///   RTDETR_FAULT_AT      which of them, counted from 1; all from there on with RTDETR_FAULT_LASTS=1
///   RTDETR_FAULT         name of an errno; `short`: half of a write is done; `pause`: a second passes first, or a
///                        signal comes;
///                        `kill`: SIGKILL instead of the call; `power`: the ext4 file system of the folder is shut
///                        down, then SIGKILL
///   RTDETR_FREE_BYTES    what statvfs says is free in that folder
///
/// A line "io fault: …" on stderr tells that it acted.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <class Function>
Function next(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

const char* setting(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool below_folder(const char* path) {
  const char* folder = setting("RTDETR_FAULT_IN");
  return *folder != '\0' && std::strncmp(path, folder, std::strlen(folder)) == 0;
}

bool below_folder(int descriptor) {
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return below_folder(path);
}

int errno_named(const char* name) {
  for (int number = 1; number < 134; ++number) {
    const char* known = strerrorname_np(number);
    if (known != nullptr && std::strcmp(known, name) == 0) return number;
  }
  std::fprintf(stderr, "io fault: no errno is called '%s'\n", name);
  std::abort();
}

/// What xfstests does for a power cut: from now on nothing reaches the disk, not even the journal.
void cut_power() {
  constexpr unsigned long kShutdown = 0x8004587d;  // EXT4_IOC_SHUTDOWN
  int without_log_flush = 2;
  const int folder = next(&open, "open")(setting("RTDETR_FAULT_IN"), O_RDONLY | O_DIRECTORY);
  if (folder < 0 || ioctl(folder, kShutdown, &without_log_flush) != 0) std::fprintf(stderr, "io fault: no shutdown\n");
}

enum class Act { kCall, kFail, kHalf };

/// Whether this call is the one; sets errno if it is to fail.
Act act_on(const char* call, bool counts) {
  static int calls = 0;
  const char* chosen = setting("RTDETR_FAULT_CALL");
  if (!counts || (std::strcmp(chosen, "any") != 0 && std::strcmp(chosen, call) != 0)) return Act::kCall;
  const int at = std::atoi(setting("RTDETR_FAULT_AT"));
  ++calls;
  if (calls < at || (calls > at && *setting("RTDETR_FAULT_LASTS") == '\0')) return Act::kCall;
  const char* fault = setting("RTDETR_FAULT");
  std::fprintf(stderr, "io fault: %s at %s, call %d\n", fault, call, calls);
  if (std::strcmp(fault, "power") == 0) cut_power();
  if (std::strcmp(fault, "power") == 0 || std::strcmp(fault, "kill") == 0) kill(getpid(), SIGKILL);
  if (std::strcmp(fault, "pause") == 0) {
    sleep(1);
    return Act::kCall;
  }
  if (std::strcmp(fault, "short") == 0) return std::strcmp(call, "write") == 0 ? Act::kHalf : Act::kCall;
  errno = errno_named(fault);
  return Act::kFail;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  const bool changes = (flags & O_CREAT) != 0 || (flags & O_DIRECTORY) != 0;  // a folder is opened to be synced
  if (act_on("open", changes && below_folder(path)) == Act::kFail) return -1;
  return next(&open, "open")(path, flags, mode);
}

int open64(const char* path, int flags, ...) __attribute__((alias("open")));

ssize_t write(int descriptor, const void* bytes, size_t size) {
  const Act act = act_on("write", below_folder(descriptor));
  if (act == Act::kFail) return -1;
  return next(&write, "write")(descriptor, bytes, act == Act::kHalf ? (size + 1) / 2 : size);
}

int fsync(int descriptor) {
  if (act_on("fsync", below_folder(descriptor)) == Act::kFail) return -1;
  return next(&fsync, "fsync")(descriptor);
}

int close(int descriptor) {
  const bool fails = act_on("close", below_folder(descriptor)) == Act::kFail;
  const int error = errno;
  const int result = next(&close, "close")(descriptor);
  if (fails) errno = error;
  return fails ? -1 : result;
}

int link(const char* from, const char* to) noexcept {
  if (act_on("link", below_folder(to)) == Act::kFail) return -1;
  return next(&link, "link")(from, to);
}

int rename(const char* from, const char* to) noexcept {
  if (act_on("rename", below_folder(to)) == Act::kFail) return -1;
  return next(&rename, "rename")(from, to);
}

int unlink(const char* path) noexcept {
  if (act_on("unlink", below_folder(path)) == Act::kFail) return -1;
  return next(&unlink, "unlink")(path);
}

int statvfs(const char* path, struct statvfs* space) noexcept {
  const int result = next(&statvfs, "statvfs")(path, space);
  const char* free_bytes = setting("RTDETR_FREE_BYTES");
  if (result == 0 && *free_bytes != '\0' && below_folder(path)) {
    space->f_bavail = space->f_bfree = std::strtoull(free_bytes, nullptr, 10) / space->f_frsize;
  }
  return result;
}

}  // extern "C"
