#include "train/stop_signal.h"

#include <atomic>

#include <unistd.h>

#include "core/io/error.h"

namespace rtdetr {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGUSR1};
std::atomic<int> signals_received{0};
std::atomic<int> first_signal{SIGTERM};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may touch nothing else");

/// Async-signal-safe: an atomic and, the second time, _exit.
extern "C" void on_stop_signal(int signal) {
  if (signals_received.fetch_add(1) > 0) _exit(128 + signal);
  first_signal = signal;
}

}  // namespace

StopSignals::StopSignals() {
  signals_received = 0;
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &previous_[i]);
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &previous_[i], nullptr);
  signals_received = 0;
}

bool StopSignals::requested() { return signals_received > 0; }
void StopSignals::leave_if_requested(const std::string& what_was_kept) {
  if (!requested()) return;
  const int signal = first_signal;
  throw Error(static_cast<ExitCode>(128 + signal),
              std::string("stopped by SIG").append(sigabbrev_np(signal)).append("; ").append(what_was_kept));
}

void StopSignals::request() { signals_received = 1; }

}  // namespace rtdetr
