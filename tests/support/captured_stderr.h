#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "core/io/file.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

/// What `action` writes to stderr, which is a file meanwhile.
inline std::string stderr_of(const std::function<void()>& action) {
  const TemporaryFolder folder;
  const int saved = ::dup(STDERR_FILENO);
  const int file = ::open((folder / "err").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(file, STDERR_FILENO);
  action();
  ::dup2(saved, STDERR_FILENO);
  ::close(file);
  ::close(saved);
  return read_text_file(folder / "err");
}

}  // namespace rtdetr::test
