#pragma once

#include <functional>
#include <span>
#include <vector>

#include "train/process/child_process.h"
#include "train/process/rank_ends.h"

namespace rtdetr {

/// The ranks that this process has started: which run, which stand still, how the others ended. Whatever is left when
/// the table goes is killed, children of the ranks included.
class RankTable {
 public:
  struct Running {
    std::int64_t rank = 0;
    pid_t process = 0;
    int stopped_by = 0;                      ///< the signal (SIGSTOP, …) that made it stand still, 0 while it runs
    double still_for = 0;                    ///< seconds
    bool warned = false;                     ///< of its standing still
    RankEnd::Why sent = RankEnd::Why::kOwn;  ///< what the launcher has told it
  };

  RankTable() : others_(children_of_this_process()) {}
  ~RankTable();
  RankTable(const RankTable&) = delete;
  RankTable& operator=(const RankTable&) = delete;

  void add(std::int64_t rank, pid_t process) { running_.push_back({.rank = rank, .process = process}); }
  /// Notes who has ended, stopped or gone on since the last call.
  /// @param seconds  that passed since then, for those that stand still
  void update(double seconds);

  std::span<Running> running() { return running_; }
  std::span<const Running> running() const { return running_; }
  std::span<const RankEnd> ends() const { return ends_; }
  /// To all that run.
  void send(int signal);
  void send(int signal, RankEnd::Why why);
  /// Counts those that run as killed, though they do not go: the kernel holds them.
  void abandon();
  /// Kills what the ranks started and left behind, for at most so long.
  void end_orphans(double seconds);

 private:
  void note(pid_t process, int status);

  std::vector<Running> running_;
  std::vector<RankEnd> ends_;
  std::vector<pid_t> others_;  ///< children from before, who are none of ours
};

}  // namespace rtdetr
