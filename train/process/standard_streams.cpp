#include "train/process/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/base/error.h"

namespace rtdetr {

void open_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is taken, which is this one: those below are open by now.
    const int opened = ::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
    if (opened != stream) ::_exit(static_cast<int>(ExitCode::kIo));
  }
}

void outlive_closed_pipes() { std::signal(SIGPIPE, SIG_IGN); }

void end_as_by_closed_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGPIPE);
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  std::raise(SIGPIPE);
  ::_exit(128 + SIGPIPE);
}

}  // namespace rtdetr
