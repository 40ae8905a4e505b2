#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include <unistd.h>

namespace rtdetr {

/// A program to be started as a child.
struct ChildStart {
  std::string file;                      ///< "/proc/self/exe": this program
  std::vector<std::string> arguments;    ///< its own name first
  std::vector<std::string> environment;  ///< all of it, "NAME=value"
  int out = STDOUT_FILENO;               ///< becomes its standard output
  int err = STDERR_FILENO;
  std::vector<int> kept;  ///< descriptors it inherits, under the same numbers, though they are closed on exec
};

/// The end of a child that could not become its program; the reason is on its stderr.
inline constexpr int kCannotStart = 127;

/// Starts it. The child dies (SIGKILL) with the thread that calls this, be that gone already; it shares process group
/// and terminal with us.
/// @param prepare  done in the child before its program; async-signal-safe
/// @throws IoError  when the system has no room for another process
pid_t start_child(const ChildStart& start, void (*prepare)(const void* context), const void* context);

/// This environment without the variables that `changes` ("NAME=value") names, and with them.
std::vector<std::string> environment_with(const std::vector<std::string>& changes);

/// Children of this process, zombies among them; none where the kernel does not tell.
std::vector<pid_t> children_of_this_process();

}  // namespace rtdetr
