#include "train/process/launcher_signals.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/io/read_only_file.h"

namespace rtdetr {

LauncherSignals::LauncherSignals() {
  sigset_t queued;
  sigemptyset(&queued);
  for (std::size_t i = 0; i < kChanged.size(); ++i) {
    sigaction(kChanged[i], nullptr, &actions_[i]);
    struct sigaction action {};
    sigemptyset(&action.sa_mask);
    // What is ignored is not queued either. SIGPIPE: a reader of ours that is gone must not end the job.
    const bool ignores = kChanged[i] == SIGPIPE || (kChanged[i] == SIGHUP && actions_[i].sa_handler == SIG_IGN);
    action.sa_handler = ignores ? SIG_IGN : SIG_DFL;
    sigaction(kChanged[i], &action, nullptr);
    if (!ignores) sigaddset(&queued, kChanged[i]);
  }
  sigprocmask(SIG_BLOCK, &queued, &mask_);
  prctl(PR_GET_CHILD_SUBREAPER, &was_reaper_);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  queue_ = Descriptor(signalfd(-1, &queued, SFD_CLOEXEC | SFD_NONBLOCK));
  const int fault = errno;
  if (queue_) return;
  give_back();
  throw IoError("cannot wait for signals: " + errno_words(fault));
}

LauncherSignals::~LauncherSignals() {
  prctl(PR_SET_CHILD_SUBREAPER, was_reaper_);
  give_back();
}

std::optional<int> LauncherSignals::next() {
  signalfd_siginfo info{};
  while (::read(queue_.number(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) return static_cast<int>(info.ssi_signo);
  }
  return std::nullopt;
}

void LauncherSignals::give_back() const {
  for (std::size_t i = 0; i < kChanged.size(); ++i) sigaction(kChanged[i], &actions_[i], nullptr);
  sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

}  // namespace rtdetr
