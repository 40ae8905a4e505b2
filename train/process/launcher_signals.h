#pragma once

#include <array>
#include <csignal>
#include <optional>

#include "core/base/descriptor.h"

namespace rtdetr {

/// While this object lives, SIGINT, SIGTERM, SIGUSR1, SIGHUP and the news of children are not obeyed but queued behind
/// a descriptor, and orphans of our children become ours. Where SIGHUP is ignored, as under nohup, it stays so. What
/// was before comes back afterwards. One thread; others would get the signals.
class LauncherSignals {
 public:
  LauncherSignals();
  ~LauncherSignals();
  LauncherSignals(const LauncherSignals&) = delete;
  LauncherSignals& operator=(const LauncherSignals&) = delete;

  /// For poll(): readable when next() has something.
  int descriptor() const { return queue_.number(); }
  /// The next signal that asks to stop; news of children are left out, they only wake up.
  std::optional<int> next();
  /// In a child: what was before this object. Async-signal-safe.
  void give_back() const;

 private:
  static constexpr std::array<int, 6> kChanged{SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGCHLD, SIGPIPE};
  std::array<struct sigaction, kChanged.size()> actions_{};
  sigset_t mask_{};
  int was_reaper_ = 0;
  Descriptor queue_;
};

}  // namespace rtdetr
