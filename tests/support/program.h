#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

/// The built program as a child process, for tests that kill it, signal it, or look at its exit code.
namespace rtdetr::test {

/// Killed when the test ends before it does.
class Program {
 public:
  /// @param words        the program's arguments, its own name left out
  /// @param environment  "NAME=value", added to this process's
  /// @param prepare      done in the child before the program starts: to close a stream, to ignore a signal
  explicit Program(const std::vector<std::string>& words, const std::vector<std::string>& environment = {},
                   const std::function<void()>& prepare = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void send(int signal) const;
  /// Waits for the end. @return  exit code, or −signal
  int wait();
  /// The same, but at most so long: nullopt while it is running.
  std::optional<int> wait(double seconds);
  /// What it has written so far.
  std::string out() const;
  std::string err() const;

 private:
  pid_t child_ = -1;
  std::optional<int> code_;
  int out_ = -1, err_ = -1;  ///< memory files
};

/// Looks at `condition` every few milliseconds until it holds, for twenty minutes at most.
/// @throws std::runtime_error
void wait_until(const std::function<bool()>& condition);

struct ProgramResult {
  int code = -1;
  std::string out, err;
};
ProgramResult run_program(const std::vector<std::string>& words, const std::vector<std::string>& environment = {});

}  // namespace rtdetr::test
