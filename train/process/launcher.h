#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace rtdetr {

/// What is started how often, and how long the launcher waits for what.
struct LaunchOptions {
  std::int64_t ranks = 2;
  std::string file = "/proc/self/exe";  ///< the program; by default this one
  std::vector<std::string> arguments;   ///< its own name first; alike for all ranks
  std::vector<std::string> variables;   ///< "NAME=value", set for all ranks besides those of their world
  /// Keeps rank 0's standard output until all have left, and drops it if the launcher fails: of two JSON documents one
  /// is wanted.
  bool hold_output = false;
  double leave_s = 5;         ///< when one has failed, the others get so long to leave by themselves,
  double term_s = 2;          ///< and after SIGTERM so long until SIGKILL,
  double kill_s = 1;          ///< and then so long until they are left to the kernel
  double frozen_s = 60;       ///< a rank that stands still (SIGSTOP) counts as failed after so long
  double same_signal_s = .5;  ///< a signal that comes again within this is the same one: timeout(1) sends two
};

/// Starts the ranks of one job on this machine and stays until all have left; nothing of them is left behind, however
/// they end or this process does: they die with it, and it takes over what they abandon.
///
/// Each rank is the program with the same arguments and the environment of its world (rendezvous_from()): they meet on
/// loopback, at a port that rank 0 inherits already listening. Rank 0 has this process's standard output and error;
/// what the others write to either comes to standard error with "rank 1: " before each line. All share our process
/// group, so Ctrl-Z and fg act on all together; a rank that stands still alone fails after frozen_s, and what this
/// process slept itself does not count.
///
/// SIGINT, SIGTERM, SIGUSR1 and SIGHUP are passed on, once, and one behind a SIGHUP as if it were the first: the ranks
/// agree on a step, save and leave with ExitCode::kStopped. A second SIGINT, SIGTERM or SIGUSR1 ends everything at
/// once. Ranks see Ctrl-C twice, from the terminal and from here, and a batch system may signal them, too: they take
/// any number as one (StopSignals::Second::kIsTheSame).
///
/// Called before there is any other thread, from the thread that ends last: Linux ties the children to it.
///
/// @return          the code with which all ranks left; they have said why
/// @throws Error    otherwise (verdict_of()): rank, process, host, cause, and what rank 0 noted last (leave_note())
/// @throws IoError  when a rank cannot be started; none is left then
ExitCode launch_ranks(const LaunchOptions& options);

}  // namespace rtdetr
