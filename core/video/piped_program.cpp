#include "core/video/piped_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

constexpr int kMomentMs = 100;            ///< how often cancel() and time limits are looked at
constexpr int kPipeBytes = 1 << 20;       ///< what Linux gives to any user who asks
constexpr std::size_t kKeptWords = 2000;  ///< bytes of its stderr
constexpr std::size_t kShownLines = 3;

struct Ends {
  Descriptor ours, its;
};

Ends ends_of(const std::array<int, 2>& pair, int ours) {
  return {Descriptor(pair[static_cast<std::size_t>(ours)]), Descriptor(pair[static_cast<std::size_t>(1 - ours)])};
}

Ends pipe_from_it() {
  std::array<int, 2> pair{};
  if (::pipe2(pair.data(), O_CLOEXEC) != 0) throw IoError("cannot make a pipe: " + errno_words(errno));
  return ends_of(pair, 0);
}

/// A socket, for which a reader that is gone is an error and not a signal.
Ends pipe_to_it() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    throw IoError("cannot make a pipe: " + errno_words(errno));
  return ends_of(pair, 0);
}

/// What posix_spawn is told beside the words.
class SpawnPlan {
 public:
  SpawnPlan(int in, int out, int err) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    take(in, STDIN_FILENO, O_RDONLY);
    take(out, STDOUT_FILENO, O_WRONLY);
    take(err, STDERR_FILENO, O_WRONLY);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  pid_t start(const std::string& program, const std::vector<std::string>& arguments) const {
    std::vector<char*> words{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    pid_t child = -1;
    const int fault = ::posix_spawn(&child, program.c_str(), &actions_, &attributes_, words.data(), environ);
    if (fault != 0) throw IoError("cannot start " + program + ": " + errno_words(fault));
    return child;
  }

 private:
  /// @param descriptor  that becomes `number`; below 0: /dev/null does
  void take(int descriptor, int number, int mode) {
    if (descriptor >= 0)
      posix_spawn_file_actions_adddup2(&actions_, descriptor, number);
    else
      posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", mode, 0);
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status); }

}  // namespace

PipedProgram::PipedProgram(const std::filesystem::path& program, std::vector<std::string> arguments, Pipe pipe)
    : name_(program.filename().string()) {
  const bool from_it = pipe == Pipe::kItsOutput;
  Ends work = from_it ? pipe_from_it() : pipe_to_it(), errors = pipe_from_it();
  if (from_it) ::fcntl(work.ours.number(), F_SETPIPE_SZ, kPipeBytes);
  const SpawnPlan plan(from_it ? -1 : work.its.number(), from_it ? work.its.number() : -1, errors.its.number());
  child_ = plan.start(program.string(), arguments);
  pipe_ = std::move(work.ours);
  errors_ = std::move(errors.ours);
}

PipedProgram::~PipedProgram() { kill(); }

void PipedProgram::kill() {
  if (code_) return;
  ::kill(-child_, SIGKILL);  // with what it has started itself
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  code_ = code_of(status);
}

bool PipedProgram::ready(short events) {
  std::array<pollfd, 2> looked{{{pipe_.number(), events, 0}, {errors_.number(), POLLIN, 0}}};
  if (::poll(looked.data(), looked.size(), kMomentMs) <= 0) return false;
  if (looked[1].revents != 0) listen();
  return looked[0].revents != 0;
}

bool PipedProgram::listen() {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::read(errors_.number(), bytes.data(), bytes.size());
  if (got <= 0) {
    if (got == 0) errors_.close();  // poll passes over what is below 0
    return false;
  }
  words_.append(bytes.data(), static_cast<std::size_t>(got));
  if (words_.size() > kKeptWords) words_.erase(0, words_.size() - kKeptWords);
  return true;
}

void PipedProgram::bound(double whole_s, std::function<bool()> stop) {
  whole_s_ = whole_s;
  stop_ = std::move(stop);
}

bool PipedProgram::is_to_end() {
  if (stop_ && stop_()) cancel();
  if (cancelled_) return true;
  if (running_.seconds() <= whole_s_) return false;
  kill();
  fail("did not end within " + fixed(whole_s_, 0) + " seconds and was ended");
}

std::size_t PipedProgram::read(std::span<std::uint8_t> bytes, double silence_s) {
  std::size_t done = 0;
  Stopwatch silent;
  while (done < bytes.size() && !is_to_end()) {
    if (!ready(POLLIN)) {
      if (silent.seconds() > silence_s) {
        kill();
        fail("gave nothing for " + fixed(silence_s, 0) + " seconds and was ended");
      }
      continue;
    }
    const ssize_t got = ::read(pipe_.number(), bytes.data() + done, bytes.size() - done);
    if (got == 0) break;
    if (got < 0 && errno != EINTR && errno != EAGAIN) fail("cannot be read from: " + errno_words(errno));
    if (got > 0) {
      done += static_cast<std::size_t>(got);
      silent = {};
    }
  }
  return done;
}

void PipedProgram::write(std::span<const std::uint8_t> bytes, double silence_s) {
  Stopwatch silent;
  while (!bytes.empty()) {
    if (!ready(POLLOUT)) {
      if (silent.seconds() > silence_s) {
        kill();
        fail("took nothing for " + fixed(silence_s, 0) + " seconds and was ended");
      }
      continue;
    }
    const ssize_t put = ::send(pipe_.number(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno != EINTR && errno != EAGAIN) {
      const int fault = errno;
      pipe_.close();
      for (const Stopwatch waited; errors_ && waited.seconds() < 1;) ready(0);  // why is on its way
      fail("takes no more: " + errno_words(fault));
    }
    if (put > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      silent = {};
    }
  }
}

int PipedProgram::finish(double limit_s) {
  pipe_.close();
  const Stopwatch waited;
  while (!code_) {
    int status = 0;
    const pid_t ended = ::waitpid(child_, &status, WNOHANG);
    if (ended == child_) {
      code_ = code_of(status);
    } else if (ended < 0 && errno == ECHILD) {
      code_ = 0;  // where SIGCHLD is ignored nobody learns how it ended; what it wrote tells
    } else if (is_to_end()) {
      kill();
    } else if (waited.seconds() > limit_s) {
      kill();
      fail("did not end within " + fixed(limit_s, 0) + " seconds and was ended");
    } else if (errors_) {
      ready(0);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  if (errors_) ::fcntl(errors_.number(), F_SETFL, O_NONBLOCK);  // a child of its own may hold the other end
  while (errors_ && listen()) {
  }
  return *code_;
}

std::string PipedProgram::last_words() const {
  std::vector<std::string> lines;
  for (const std::string& line : split(words_, '\n'))
    if (const std::string_view text = trim(line); !text.empty()) lines.emplace_back(text);
  if (lines.size() > kShownLines) lines.erase(lines.begin(), lines.end() - kShownLines);
  return join(lines, "; ");
}

void PipedProgram::fail(const std::string& what) const {
  const std::string words = last_words();
  throw IoError(name_ + " " + what + (words.empty() ? "" : "; it says: " + words));
}

ProgramOutput run_to_end(const std::filesystem::path& program, std::vector<std::string> arguments, double limit_s,
                         std::function<bool()> stop) {
  constexpr std::size_t kMost = std::size_t{1} << 22U;
  PipedProgram child(program, std::move(arguments), PipedProgram::Pipe::kItsOutput);
  child.bound(limit_s, std::move(stop));
  std::vector<std::uint8_t> bytes(kMost);
  const std::size_t size = child.read(bytes, std::numeric_limits<double>::infinity());  // the bound ends it
  if (size == kMost) throw IoError(program.filename().string() + " writes more than 4 MiB");
  const int code = child.finish(limit_s);
  return {code, child.is_cancelled(), std::string(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)),
          child.last_words()};
}

}  // namespace rtdetr
