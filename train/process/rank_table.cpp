#include "train/process/rank_table.h"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "core/base/clock.h"

namespace rtdetr {

RankTable::~RankTable() {
  constexpr double kPatience = 2;  // seconds
  send(SIGKILL, RankEnd::Why::kMade);
  end_orphans(kPatience);
}

void RankTable::update(double seconds) {
  for (Running& rank : running_)
    if (rank.stopped_by != 0) rank.still_for += seconds;
  int status = 0;
  for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;) note(child, status);
}

/// An orphan that has become ours is in no row.
void RankTable::note(pid_t process, int status) {
  const auto row =
      std::find_if(running_.begin(), running_.end(), [&](const Running& rank) { return rank.process == process; });
  if (row == running_.end()) return;
  if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
    row->stopped_by = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    row->still_for = 0;
    row->warned = false;
    return;
  }
  ends_.push_back({.rank = row->rank, .process = process, .status = status, .why = row->sent});
  running_.erase(row);
}

void RankTable::send(int signal) {
  for (const Running& rank : running_) ::kill(rank.process, signal);
}

void RankTable::send(int signal, RankEnd::Why why) {
  for (Running& rank : running_)
    if (rank.sent == RankEnd::Why::kOwn) rank.sent = why;
  send(signal);
}

void RankTable::abandon() {
  for (const Running& rank : running_)
    ends_.push_back({.rank = rank.rank, .process = rank.process, .status = SIGKILL, .why = rank.sent});
  running_.clear();
}

void RankTable::end_orphans(double seconds) {
  for (const Stopwatch watch; watch.seconds() < seconds;) {
    update(0);
    bool any = false;
    for (const pid_t child : children_of_this_process()) {
      if (std::find(others_.begin(), others_.end(), child) != others_.end()) continue;
      any = true;
      ::kill(child, SIGKILL);
    }
    if (!any) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace rtdetr
