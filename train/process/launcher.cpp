#include "train/process/launcher.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "core/base/clock.h"
#include "core/base/descriptor.h"
#include "core/base/host_name.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/distributed/rendezvous.h"
#include "core/io/read_only_file.h"
#include "train/process/launched_rank.h"
#include "train/process/launcher_signals.h"
#include "train/process/loopback_socket.h"
#include "train/process/rank_output.h"
#include "train/process/rank_table.h"
#include "train/process/stop_signal.h"

namespace rtdetr {
namespace {

constexpr int kTickMs = 100;
constexpr double kLongestLap = 0.5, kOrphansTime = 0.5, kLastOutputTime = 1;  // seconds

Descriptor open_memory(const char* name) {
  Descriptor memory(::memfd_create(name, MFD_CLOEXEC));
  if (!memory) throw IoError("cannot make a file in memory: " + errno_words(errno));
  return memory;
}

void copy_to_output(const Descriptor& memory) {
  std::array<char, 1 << 14> bytes;
  off_t at = 0;
  for (ssize_t count; (count = ::pread(memory.number(), bytes.data(), bytes.size(), at)) > 0; at += count)
    if (::write(STDOUT_FILENO, bytes.data(), static_cast<std::size_t>(count)) != count)
      throw IoError("cannot write to standard output: " + errno_words(errno));
}

class Launcher {
 public:
  explicit Launcher(const LaunchOptions& options) : options_(options) {}
  ExitCode run();

 private:
  /// From the first that fails on the others are to leave: by themselves, then told to, then killed.
  enum class Phase { kWorking, kLeaving, kTold, kKilled };

  void start_all();
  void start(std::int64_t rank, const LoopbackSocket& meeting_point);
  std::vector<std::string> world_of(std::int64_t rank, const LoopbackSocket& meeting_point) const;
  void wait() const;
  void pass_on_signals();
  void take_signal(int signal);
  void look_at_ranks();
  void end_if_frozen(RankTable::Running& rank);
  void keep_deadlines();
  void enter(Phase phase);
  bool is_over() const;
  ExitCode leave();
  [[noreturn]] void fail(ExitCode code, const std::string& message) const;

  const LaunchOptions& options_;
  LauncherSignals signals_;
  RankOutput output_;
  RankTable table_;
  Descriptor note_ = open_memory("note"), held_ = open_memory("output");
  Stopwatch lap_;
  Phase phase_ = Phase::kWorking;
  double phase_s_ = 0;  ///< for which the phase has lasted
  int told_by_ = 0;     ///< the signal that was passed on
  double since_told_s_ = 0;
  int forced_by_ = 0;  ///< the second signal
};

std::vector<std::string> Launcher::world_of(std::int64_t rank, const LoopbackSocket& meeting_point) const {
  const std::string number = std::to_string(rank), size = std::to_string(options_.ranks);
  const auto for_main = [&](const Descriptor& descriptor) {
    return rank == 0 ? std::to_string(descriptor.number()) : std::string();
  };
  return {"RANK=" + number,
          "LOCAL_RANK=" + number,
          "WORLD_SIZE=" + size,
          "LOCAL_WORLD_SIZE=" + size,
          "MASTER_ADDR=127.0.0.1",
          "MASTER_PORT=" + std::to_string(meeting_point.port),
          "TORCHELASTIC_USE_AGENT_STORE=",  // of a launcher around us
          "TORCHELASTIC_RESTART_COUNT=",
          std::string(kLauncherVariable) + "=" + std::to_string(::getpid()),
          std::string(kListenFdVariable) + "=" + for_main(meeting_point.descriptor),
          std::string(kNoteVariable) + "=" + for_main(note_)};
}

void Launcher::start(std::int64_t rank, const LoopbackSocket& meeting_point) {
  std::vector<std::string> variables = world_of(rank, meeting_point);
  variables.insert(variables.end(), options_.variables.begin(), options_.variables.end());
  ChildStart child;
  child.file = options_.file;
  child.arguments = options_.arguments;
  child.environment = environment_with(variables);
  Descriptor pipe;
  if (rank == 0) {
    child.kept = {meeting_point.descriptor.number(), note_.number()};
    if (options_.hold_output) child.out = held_.number();
  } else {
    pipe = output_.open(rank);
    child.out = child.err = pipe.number();
  }
  const auto give_back = [](const void* signals) { static_cast<const LauncherSignals*>(signals)->give_back(); };
  table_.add(rank, start_child(child, give_back, &signals_));
}

/// The meeting point is rank 0's alone afterwards: when that is gone, nobody waits there in vain.
void Launcher::start_all() {
  const LoopbackSocket meeting_point = listen_on_loopback();
  for (std::int64_t rank = 0; rank < options_.ranks; ++rank) start(rank, meeting_point);
}

void Launcher::wait() const {
  std::vector<pollfd> waited_for{{signals_.descriptor(), POLLIN, 0}};
  output_.append_to(waited_for);
  ::poll(waited_for.data(), waited_for.size(), kTickMs);
}

void Launcher::pass_on_signals() {
  while (const auto signal = signals_.next()) take_signal(*signal);
}

/// SIGHUP counts neither as the second, as a terminal that goes away sends it more than once, nor as the first: who
/// asks for an end behind it has not asked before.
void Launcher::take_signal(int signal) {
  if (told_by_ == 0 || (told_by_ == SIGHUP && signal != SIGHUP)) {
    told_by_ = signal;
    since_told_s_ = 0;
    table_.send(signal);
    return;
  }
  const bool is_same = signal == told_by_ && since_told_s_ < options_.same_signal_s;
  if (signal == SIGHUP || is_same || forced_by_ != 0) return;
  forced_by_ = signal;
  enter(Phase::kKilled);
}

/// Of a long lap, in which this process was stopped itself, only a little counts.
void Launcher::look_at_ranks() {
  const double seconds = std::min(lap_.lap() / 1e3, kLongestLap);
  phase_s_ += seconds;
  if (told_by_ != 0) since_told_s_ += seconds;
  table_.update(seconds);
  for (RankTable::Running& rank : table_.running())
    if (rank.sent == RankEnd::Why::kOwn) end_if_frozen(rank);
}

void Launcher::end_if_frozen(RankTable::Running& rank) {
  const std::string process = std::to_string(rank.process);
  if (rank.still_for >= options_.frozen_s / 2 && !rank.warned) {
    rank.warned = true;
    log::warning("rank " + std::to_string(rank.rank) + " (process " + process + ") was stopped by " +
                 signal_name(rank.stopped_by) + "; kill -CONT " + process + " lets it go on, and after " +
                 format_short(options_.frozen_s) + " s it counts as failed");
  }
  if (rank.still_for < options_.frozen_s) return;
  rank.sent = RankEnd::Why::kFrozen;
  ::kill(rank.process, SIGKILL);
  if (phase_ == Phase::kWorking) enter(Phase::kLeaving);
}

void Launcher::keep_deadlines() {
  const auto ends = table_.ends();
  switch (phase_) {
    case Phase::kWorking:
      if (!std::all_of(ends.begin(), ends.end(), is_quiet)) enter(Phase::kLeaving);
      break;
    case Phase::kLeaving:
      if (phase_s_ >= options_.leave_s) enter(Phase::kTold);
      break;
    case Phase::kTold:
      if (phase_s_ >= options_.term_s) enter(Phase::kKilled);
      break;
    case Phase::kKilled:
      break;
  }
}

void Launcher::enter(Phase phase) {
  phase_ = phase;
  phase_s_ = 0;
  if (phase == Phase::kTold) table_.send(SIGTERM, RankEnd::Why::kMade);
  if (phase == Phase::kKilled) table_.send(SIGKILL, RankEnd::Why::kMade);
}

bool Launcher::is_over() const {
  return table_.running().empty() || (phase_ == Phase::kKilled && phase_s_ >= options_.kill_s);
}

ExitCode Launcher::run() {
  start_all();
  while (!is_over()) {
    wait();
    pass_on_signals();
    look_at_ranks();
    keep_deadlines();
    output_.serve();
  }
  return leave();
}

ExitCode Launcher::leave() {
  table_.abandon();
  table_.end_orphans(kOrphansTime);
  output_.finish(kLastOutputTime);
  if (forced_by_ != 0)
    fail(static_cast<ExitCode>(128 + forced_by_), "ended at once by a second signal, " + signal_name(forced_by_));
  const Verdict verdict = verdict_of(table_.ends(), told_by_, host_name());
  if (!verdict.message.empty()) fail(verdict.code, verdict.message);
  if (options_.hold_output) copy_to_output(held_);
  return verdict.code;
}

/// With what rank 0 has noted last.
void Launcher::fail(ExitCode code, const std::string& message) const {
  std::array<char, kLongestNote + 1> note{};
  const bool any = ::pread(note_.number(), note.data(), kLongestNote, 0) > 0;
  throw Error(code, any ? message + " (" + note.data() + ")" : message);
}

}  // namespace

ExitCode launch_ranks(const LaunchOptions& options) { return Launcher(options).run(); }

}  // namespace rtdetr
