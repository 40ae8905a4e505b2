#pragma once

#include "core/base/cpp20.h"

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/descriptor.h"

namespace rtdetr {

/// Another program that runs beside this one, without a shell between, with one pipe to it or from it. What it writes
/// to stderr is taken in meanwhile and its end kept, for messages. It has a process group of its own, so that Ctrl-C
/// in the terminal is for this program to answer, and it is gone, and waited for, when this object is.
/// One thread at a time, but for cancel().
class PipedProgram {
 public:
  enum class Pipe {
    kItsOutput,  ///< we read what it writes; its input is empty
    kItsInput,   ///< it reads what we write; its output is thrown away
  };
  /// @throws IoError  if it cannot be started
  PipedProgram(const std::filesystem::path& program, std::vector<std::string> arguments, Pipe pipe);
  ~PipedProgram();
  PipedProgram(const PipedProgram&) = delete;
  PipedProgram& operator=(const PipedProgram&) = delete;

  /// Waits for so many bytes. @return  how many there were; fewer at the end of its output, or once cancelled
  /// @throws IoError  if no byte comes for `silence_s` seconds, naming its last words; it is killed then
  std::size_t read(std::span<std::uint8_t> bytes, double silence_s);
  /// @throws IoError  if it takes no byte for `silence_s` seconds, or none any more
  void write(std::span<const std::uint8_t> bytes, double silence_s);
  /// Closes the pipe and waits for its end; once cancelled, ends it. @return  its exit code, or −signal
  /// @throws IoError  if that takes longer than `limit_s` seconds; it is killed then
  int finish(double limit_s);
  /// From its start to its end it may take `whole_s` seconds, after which read() and finish() kill it and throw
  /// IoError; `stop`, where there is one, is asked all the while, and cancels once it says true.
  void bound(double whole_s, std::function<bool()> stop);
  /// From any thread: read() gives up within a tenth of a second.
  void cancel() { cancelled_ = true; }
  bool is_cancelled() const { return cancelled_; }

  /// The last lines of what it said on stderr, with "; " between; "" if it said nothing.
  std::string last_words() const;

 private:
  /// Waits for a moment at most, taking in what comes on stderr. @return  whether the pipe is ready
  bool ready(short events);
  /// Takes in a piece of what is on stderr. @return  whether there was one
  bool listen();
  /// Whether it is cancelled. @throws IoError  if its whole time is up
  bool is_to_end();
  void kill();
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  pid_t child_ = -1;
  Descriptor pipe_, errors_;
  std::string words_;  ///< end of its stderr
  std::optional<int> code_;
  std::atomic<bool> cancelled_{false};
  Stopwatch running_;
  double whole_s_ = std::numeric_limits<double>::infinity();
  std::function<bool()> stop_;
};

/// What a program that is run to its end has written, and its exit code.
struct ProgramOutput {
  int code = 0;
  bool stopped = false;  ///< it was ended because `stop` said so
  std::string text;
  std::string last_words;
};
/// @param stop  asked while it runs; ends it once it says true
/// @throws IoError  if it cannot be started, takes longer than `limit_s` seconds, or writes more than 4 MiB
ProgramOutput run_to_end(const std::filesystem::path& program, std::vector<std::string> arguments, double limit_s,
                         std::function<bool()> stop = {});

}  // namespace rtdetr
