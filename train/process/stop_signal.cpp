#include "train/process/stop_signal.h"

#include <atomic>
#include <cstring>

#include <unistd.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr std::array<int, 4> kSignals{SIGINT, SIGTERM, SIGUSR1, SIGHUP};
std::atomic<bool> stop_wanted{false};
std::atomic<bool> second_leaves{true};
std::atomic<int> demands{0};  ///< signals but SIGHUP
std::atomic<int> first_signal{SIGTERM};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "the handler may touch nothing else");

/// Async-signal-safe: atomics and, the second time, _exit.
extern "C" void on_stop_signal(int signal) {
  if (signal != SIGHUP && demands.fetch_add(1) > 0 && second_leaves) _exit(128 + signal);
  if (!stop_wanted) first_signal = signal;
  stop_wanted = true;
}

void forget_signals() {
  stop_wanted = false;
  demands = 0;
}

bool is_ignored(int signal) {
  struct sigaction present {};
  return sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

}  // namespace

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

StopSignals::StopSignals(Second second) {
  forget_signals();
  second_leaves = second == Second::kLeaves;
  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    action.sa_handler = kSignals[i] == SIGHUP && is_ignored(SIGHUP) ? SIG_IGN : on_stop_signal;
    sigaction(kSignals[i], &action, &previous_[i]);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &previous_[i], nullptr);
  forget_signals();
}

bool StopSignals::requested() { return stop_wanted; }
void StopSignals::leave_if_requested(const std::string& what_was_kept) {
  if (!requested()) return;
  const int signal = first_signal;
  throw Error(static_cast<ExitCode>(128 + signal), "stopped by " + signal_name(signal) + "; " + what_was_kept);
}

void StopSignals::request() { stop_wanted = true; }

}  // namespace rtdetr
