#pragma once

#include <sys/resource.h>

#include <csignal>

namespace rtdetr::test {

/// While it lives, files of this process cannot grow beyond `bytes`: writes come back short and then fail with EFBIG. A
/// full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    set(bytes);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  /// Somebody has made room.
  static void lift() {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    set(limit.rlim_max);
  }

 private:
  static void set(rlim_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

}  // namespace rtdetr::test
