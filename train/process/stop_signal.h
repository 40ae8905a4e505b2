#pragma once

#include <array>
#include <csignal>
#include <string>

namespace rtdetr {

/// "SIGTERM".
std::string signal_name(int signal);

/// While this object lives, the first SIGINT, SIGTERM, SIGUSR1 or SIGHUP only sets a flag that the trainer looks at
/// after each step; the second leaves at once with 128 + signal (the last checkpoint on disk stays good). SIGHUP never
/// counts as the second: a terminal that goes away sends it more than once. Where it is ignored, as under nohup, it
/// stays so. Earlier handlers come back afterwards.
class StopSignals {
 public:
  enum class Second {
    kLeaves,
    kIsTheSame,  ///< of a rank whose launcher passes signals on: Ctrl-C comes from the terminal and from there
  };
  explicit StopSignals(Second second = Second::kLeaves);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// True once a signal has come in.
  static bool requested();
  /// Ends a command that has nothing to save. @throws Error  with 128 + signal, once a signal has come in
  static void leave_if_requested(const std::string& what_was_kept);
  /// As if a signal had come in: for tests.
  static void request();

 private:
  std::array<struct sigaction, 4> previous_{};
};

}  // namespace rtdetr
