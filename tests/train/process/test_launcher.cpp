#include "train/process/launcher.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <thread>

#include "core/base/clock.h"
#include "core/base/descriptor.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"
#include "train/process/child_process.h"
#include "train/process/launched_rank.h"

/// Ranks are shell scripts here: what the launcher does with processes does not depend on what they compute.
namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::wait_until;

std::string content_of(const Descriptor& file) {
  std::string text(1 << 22, '\0');
  const ssize_t count = ::pread(file.number(), text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

/// Whatever a launcher leaves behind becomes a child of the test.
class Reaper {
 public:
  Reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~Reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
  /// @return  whether all of it goes within some seconds; what does not is killed
  bool nothing_is_left() const {
    for (const Stopwatch watch; watch.seconds() < 5;) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
      if (children_of_this_process().empty()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    for (const pid_t child : children_of_this_process()) ::kill(child, SIGKILL);
    return false;
  }
};

/// A launcher in a process group of its own, as a shell would start it; each rank runs `script`, in `folder`.
class Launched {
 public:
  using Change = std::function<void(LaunchOptions&)>;

  Launched(const TemporaryFolder& folder, const std::string& script, const Change& change = {})
      : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
    LaunchOptions options;
    options.file = "/bin/sh";
    options.arguments = {"sh", "-c", script};
    options.leave_s = options.term_s = 0.2;
    process_ = ::fork();
    if (process_ != 0) {
      ::setpgid(process_, process_);
      return;
    }
    ::setpgid(0, 0);
    ::dup2(out_.number(), STDOUT_FILENO);
    ::dup2(err_.number(), STDERR_FILENO);
    fs::current_path(folder.path());
    if (change) change(options);
    ::_exit(launch(options));
  }
  ~Launched() {
    if (code_) return;
    send(SIGKILL);
    wait();
  }

  void send(int signal) const { ::kill(process_, signal); }
  void send_to_group(int signal) const { ::kill(-process_, signal); }
  /// @return  exit code, or −signal
  int wait() {
    int status = 0;
    if (!code_ && ::waitpid(process_, &status, 0) == process_)
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return code_.value();
  }
  std::string out() const { return content_of(out_); }
  std::string err() const { return content_of(err_); }

 private:
  static int launch(const LaunchOptions& options) {
    try {
      return static_cast<int>(launch_ranks(options));
    } catch (const Error& error) {
      const std::string text = std::string("launcher: ") + error.what() + "\n";
      if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return 1;
      return static_cast<int>(error.code());
    }
  }

  Descriptor out_, err_;
  pid_t process_ = -1;
  std::optional<int> code_;
};

/// Its process id, once the rank has written it ("echo $$ > here.$RANK", moved into place).
pid_t process_of(const TemporaryFolder& folder, int rank) {
  const fs::path file = folder / ("here." + std::to_string(rank));
  wait_until([&] { return fs::exists(file); });
  pid_t process = 0;
  std::ifstream(file) >> process;
  return process;
}

void wait_for_ranks(const TemporaryFolder& folder, int count) {
  for (int rank = 0; rank < count; ++rank) process_of(folder, rank);
}

const std::string kHere = "echo $$ > new.$RANK; mv new.$RANK here.$RANK; ";
const std::string kForever = "while :; do sleep 0.02; done; ";
/// A rank as it should be: told to stop, it saves and leaves; it counts how often it is told.
const std::string kObedient = "trap 'echo told >> told.$RANK; stop=yes' TERM INT HUP USR1; " + kHere +
                              "while [ -z \"$stop\" ]; do sleep 0.02; done; sleep 0.3; exit 75";

int lines_of(const fs::path& file) {
  std::ifstream in(file);
  return static_cast<int>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
}

char state_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string word;
  file >> word >> word >> word;
  return word.empty() ? '?' : word.front();
}

}  // namespace

TEST_CASE("every rank is told its world, and rank 0 has the socket at which they meet") {
  const TemporaryFolder folder;
  const Reaper reaper;
  const std::string script =
      "echo $RANK of $WORLD_SIZE, $LOCAL_RANK of $LOCAL_WORLD_SIZE, at $MASTER_ADDR:$MASTER_PORT, $GIVEN; "
      "if [ $RANK = 0 ]; then readlink /proc/self/fd/$RTDETR_LISTEN_FD; else echo [$RTDETR_LISTEN_FD]; fi; "
      "[ $RTDETR_LAUNCHER = $PPID ]";
  Launched launched(folder, script, [](LaunchOptions& options) {
    options.ranks = 3;
    options.variables = {"GIVEN=words"};
    ::setenv("RANK", "17", 1);
  });
  CHECK(launched.wait() == 0);
  const std::string out = launched.out(), err = launched.err();
  CHECK_THAT(out, Catch::StartsWith("0 of 3, 0 of 3, at 127.0.0.1:") && Catch::Contains(", words\nsocket:["));
  const std::string place = out.substr(out.find("at "), out.find(", words") - out.find("at "));
  for (const std::string rank : {"1", "2"}) {
    CHECK_THAT(err, Catch::Contains("rank " + rank + ": " + rank + " of 3, " + rank + " of 3, " + place + ", words\n"));
    CHECK_THAT(err, Catch::Contains("rank " + rank + ": []\n"));
  }
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("ranks start with signals as the launcher found them") {
  const TemporaryFolder folder;
  const auto change = [](LaunchOptions& options) {
    options.file = "/bin/grep";
    options.arguments = {"grep", "Sig", "/proc/self/status"};
  };
  Launched launched(folder, "", change);
  CHECK(launched.wait() == 0);
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("SigBlk", 0) == 0 || line.rfind("SigIgn", 0) == 0) CHECK_THAT(launched.out(), Catch::Contains(line));
}

TEST_CASE("ranks that all leave with one code give it to the launcher, without a word of its own") {
  const TemporaryFolder folder;
  for (const int code : {0, 2, 75}) {
    Launched launched(folder, "exit " + std::to_string(code));
    CHECK(launched.wait() == code);
    CHECK(launched.err().empty());
  }
}

TEST_CASE("a rank's exit code is the launcher's, and the others may leave by themselves") {
  const TemporaryFolder folder;
  Launched launched(folder, "[ $RANK = 1 ] && exit 3; sleep 0.3; exit 7",
                    [](LaunchOptions& options) { options.leave_s = 60; });
  CHECK(launched.wait() == 3);
  CHECK_THAT(launched.err(), Catch::Contains("launcher: rank 1 (process ") && Catch::Contains("exit code 3 (data)") &&
                                 Catch::Contains("; rank 0 left with exit code 7 (peer)"));
}

TEST_CASE("a rank that dies of a signal is named, and what does not leave is told to") {
  const Reaper reaper;
  for (const std::string signal : {"KILL", "SEGV"}) {
    const TemporaryFolder folder;
    const std::string script = "trap 'touch told.$RANK; exit 0' TERM; " + kHere +
                               "while [ $RANK = 1 ]; do [ -e here.0 ] && [ -e here.2 ] && kill -" + signal +
                               " $$; done; " + kForever;
    Launched launched(folder, script, [](LaunchOptions& options) {
      options.ranks = 3;
      options.term_s = 60;
    });
    CHECK(launched.wait() == 7);
    CHECK((fs::exists(folder / "told.0") && fs::exists(folder / "told.2")));
    CHECK_THAT(launched.err(),
               Catch::Contains("launcher: rank 1 (process ") && Catch::Contains(" was killed by SIG" + signal) &&
                   Catch::Contains("rank 0 had to be ended") && Catch::Contains("rank 2 had to be ended"));
    CHECK(reaper.nothing_is_left());
  }
}

TEST_CASE("a rank that ignores SIGTERM is killed") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder,
                    "trap '' TERM; " + kHere + "while [ $RANK = 0 ]; do [ -e here.1 ] && exit 5; done; " + kForever,
                    [](LaunchOptions& options) { options.kill_s = 600; });
  CHECK(launched.wait() == 5);
  CHECK_THAT(launched.err(), Catch::Contains("rank 0 (process") && Catch::Contains("rank 1 had to be ended"));
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("a rank that stands still is found and named") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder, "[ $RANK = 1 ] && kill -STOP $$; " + kForever,
                    [](LaunchOptions& options) { options.frozen_s = 0.4; });
  CHECK(launched.wait() == 7);
  CHECK_THAT(launched.err(), Catch::Contains("was stopped by SIGSTOP; kill -CONT") &&
                                 Catch::Contains("launcher: rank 1 (process ") && Catch::Contains("stood still"));
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("a rank that goes on in time is forgiven") {
  const TemporaryFolder folder;
  Launched launched(folder, kHere + "[ $RANK = 1 ] && kill -STOP $$; sleep 2",
                    [](LaunchOptions& options) { options.frozen_s = 1.5; });
  const pid_t rank = process_of(folder, 1);
  wait_until([&] { return state_of(rank) == 'T'; });
  ::kill(rank, SIGCONT);
  CHECK(launched.wait() == 0);
  CHECK(launched.err().empty());
}

TEST_CASE("while the launcher stands still itself, as after Ctrl-Z, the time of ranks that do does not count") {
  const TemporaryFolder folder;
  Launched launched(folder, kHere + "while [ ! -e end ]; do sleep 0.02; done",
                    [](LaunchOptions& options) { options.frozen_s = 2; });
  const std::array<pid_t, 2> ranks{process_of(folder, 0), process_of(folder, 1)};
  for (const pid_t rank : ranks) ::kill(rank, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it sees that
  launched.send(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  launched.send(SIGCONT);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  for (const pid_t rank : ranks) ::kill(rank, SIGCONT);
  std::ofstream(folder / "end").close();
  CHECK(launched.wait() == 0);
}

TEST_CASE("a signal to stop is passed on to every rank once, and all leave with 75") {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    const TemporaryFolder folder;
    Launched launched(folder, kObedient, [](LaunchOptions& options) {
      std::signal(SIGHUP, SIG_DFL);
      options.same_signal_s = 600;
    });
    wait_for_ranks(folder, 2);
    launched.send(signal);
    wait_until([&] { return fs::exists(folder / "told.1"); });
    launched.send(signal);
    CHECK(launched.wait() == 75);
    CHECK(launched.err().empty());
    for (const char* file : {"told.0", "told.1"}) CHECK(lines_of(folder / file) == 1);
  }
}

TEST_CASE("a terminal's Ctrl-C, which ranks get themselves, too, ends in 75") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder, kObedient);
  wait_for_ranks(folder, 2);
  launched.send_to_group(SIGINT);
  CHECK(launched.wait() == 75);
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("where SIGHUP is ignored, as under nohup, it is so for launcher and ranks") {
  const TemporaryFolder folder;
  Launched launched(folder, kObedient, [](LaunchOptions&) { std::signal(SIGHUP, SIG_IGN); });
  wait_for_ranks(folder, 2);
  launched.send_to_group(SIGHUP);
  launched.send(SIGTERM);  // the first, then
  CHECK(launched.wait() == 75);
}

TEST_CASE("who asks for an end behind a terminal that went away has asked once") {
  const TemporaryFolder folder;
  Launched launched(folder, kObedient, [](LaunchOptions& options) {
    std::signal(SIGHUP, SIG_DFL);
    options.same_signal_s = 0;
  });
  wait_for_ranks(folder, 2);
  launched.send(SIGHUP);
  wait_until([&] { return fs::exists(folder / "told.1"); });
  launched.send(SIGTERM);
  CHECK(launched.wait() == 75);
  CHECK(launched.err().empty());
}

TEST_CASE("a second signal ends everything at once") {
  const TemporaryFolder folder;
  const Reaper reaper;
  const std::string script = "trap 'touch told.$RANK' TERM INT; " + kHere + kForever;
  Launched launched(folder, script, [](LaunchOptions& options) { options.leave_s = options.term_s = 600; });
  wait_for_ranks(folder, 2);
  launched.send(SIGTERM);
  wait_until([&] { return fs::exists(folder / "told.0") && fs::exists(folder / "told.1"); });
  launched.send(SIGINT);
  CHECK(launched.wait() == 128 + SIGINT);
  CHECK_THAT(launched.err(), Catch::Contains("ended at once by a second signal, SIGINT"));
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("ranks that are stopped before they listen to signals end the job with 128 + signal") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder, "[ $RANK = 1 ] && trap '' TERM; " + kHere + kForever);
  wait_for_ranks(folder, 2);
  launched.send(SIGTERM);
  CHECK(launched.wait() == 128 + SIGTERM);
  CHECK_THAT(launched.err(), Catch::Contains("stopped by SIGTERM before all ranks were at work"));
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("ranks die with a launcher that is killed, whatever they ignore") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder, "trap '' TERM HUP INT; " + kHere + kForever);
  wait_for_ranks(folder, 2);
  launched.send(SIGKILL);
  CHECK(launched.wait() == -SIGKILL);
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("twenty kills in a row, of launcher and ranks, leave no process behind") {
  const Reaper reaper;
  for (int round = 0; round < 20; ++round) {
    const TemporaryFolder folder;
    Launched launched(folder, kHere + kForever, [](LaunchOptions& options) { options.leave_s = 0.02; });
    if (round >= 4) wait_for_ranks(folder, 2);
    INFO("round " << round);
    if (round % 4 == 0) {
      launched.send(SIGKILL);
      CHECK(launched.wait() == -SIGKILL);
    } else {
      const int rank = round % 4 == 1 ? 0 : 1;
      ::kill(process_of(folder, rank), round % 4 == 3 ? SIGABRT : SIGKILL);
      CHECK(launched.wait() == 7);
      CHECK_THAT(launched.err(), Catch::Contains("launcher: rank " + std::to_string(rank) + " (process"));
    }
    CHECK(reaper.nothing_is_left());
  }
}

TEST_CASE("what a rank started and left behind ends with the job; children from before do not") {
  const TemporaryFolder folder;
  const Reaper reaper;
  Launched launched(folder, "sleep 1000 & echo $! > here.$RANK", [&](LaunchOptions&) {
    const pid_t before = ::fork();
    if (before == 0) {
      ::execl("/bin/sleep", "sleep", "1000", nullptr);
      ::_exit(1);
    }
    std::ofstream(folder / "before") << before << std::endl;
  });
  CHECK(launched.wait() == 0);
  pid_t before = 0;
  std::ifstream(folder / "before") >> before;
  CHECK(state_of(before) == 'S');
  ::kill(before, SIGKILL);
  CHECK(reaper.nothing_is_left());
}

TEST_CASE("lines of other ranks come whole, each with the rank before it") {
  const TemporaryFolder folder;
  const std::string script =
      "[ $RANK = 0 ] && exit 0; i=0; while [ $i -lt 2000 ]; do echo line $i of $RANK; i=$((i+1)); done; "
      "printf 'no end of line' >&2";
  Launched launched(folder, script, [](LaunchOptions& options) { options.ranks = 3; });
  CHECK(launched.wait() == 0);
  CHECK(launched.out().empty());
  const std::string err = launched.err();
  CHECK(std::count(err.begin(), err.end(), '\n') == 2 * 2001);
  for (const std::string rank : {"1", "2"})
    for (const std::string& line : {"line 0 of " + rank, "line 1999 of " + rank, std::string("no end of line")})
      CHECK_THAT("\n" + err, Catch::Contains("\nrank " + rank + ": " + line + "\n"));
}

TEST_CASE("nobody who reads the launcher's messages is no reason to end") {
  const TemporaryFolder folder;
  Launched launched(folder, "[ $RANK = 1 ] && head -c 3000000 /dev/zero | tr '\\0' '\\n'; exit 0", [](LaunchOptions&) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) ::_exit(99);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
  });
  CHECK(launched.wait() == 0);
}

TEST_CASE("rank 0's output can be held until it is known whether the launcher fails") {
  const TemporaryFolder folder;
  const auto hold = [](LaunchOptions& options) { options.hold_output = true; };
  Launched good(folder, "echo '{}'", hold);
  CHECK(good.wait() == 0);
  CHECK(good.out() == "{}\n");
  Launched alike(folder, "echo '{}'; exit 2", hold);
  CHECK(alike.wait() == 2);
  CHECK(alike.out() == "{}\n");
  Launched bad(folder, "echo '{}'; [ $RANK = 1 ] && exit 3; exit 7", hold);
  CHECK(bad.wait() == 3);
  CHECK(bad.out().empty());
}

TEST_CASE("the launcher's message ends with what rank 0 noted last") {
  const TemporaryFolder folder;
  const std::string script =
      "if [ $RANK = 0 ]; then printf 'last durable step 40: runs/a' > /proc/self/fd/$RTDETR_NOTE_FD; echo > noted; "
      "sleep 0.1; exit 7; fi; while [ ! -e noted ]; do sleep 0.02; done; kill -KILL $$";
  Launched launched(folder, script, [](LaunchOptions& options) { options.leave_s = 60; });
  CHECK(launched.wait() == 7);
  CHECK_THAT(launched.err(), Catch::EndsWith("(last durable step 40: runs/a)\n"));
}

TEST_CASE("a note replaces a longer one, and without a launcher there is nobody to tell") {
  const Descriptor memory(::memfd_create("note", 0));
  const auto note_as_child_of = [&](pid_t launcher, const std::string& text) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv(kLauncherVariable, std::to_string(launcher).c_str(), 1);
      ::setenv(kNoteVariable, std::to_string(memory.number()).c_str(), 1);
      leave_note(text);
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    return std::string(content_of(memory).c_str());
  };
  CHECK(note_as_child_of(::getpid(), "a long note") == "a long note");
  CHECK(note_as_child_of(::getpid(), "short") == "short");
  CHECK(note_as_child_of(1, "of a stranger") == "short");
  CHECK(note_as_child_of(::getpid(), std::string(10'000, 'x')).size() == kLongestNote);
}

TEST_CASE("a program that cannot be started is a failure") {
  const TemporaryFolder folder;
  Launched launched(folder, "", [](LaunchOptions& options) { options.file = "/no/such/program"; });
  CHECK(launched.wait() == 7);
  CHECK_THAT(launched.err(),
             Catch::Contains("could not be started") && Catch::Contains("/no/such/program: No such file"));
}

}  // namespace rtdetr
