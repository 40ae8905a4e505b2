#pragma once

#include <cstdint>
#include <string>

#include "core/distributed/process_group.h"
#include "train/loop/experiment.h"
#include "train/loop/train_state.h"

namespace rtdetr {

/// Steps that are taken to be measured. Weights, averages and statistics of the experiment are put back when this
/// object goes: the run that follows has the bits of one without a trial.
class Trial {
 public:
  /// @param group  of which this process takes its own share of every batch; its steps wait for nobody
  explicit Trial(Experiment& experiment, const ProcessGroup& group = world_of_one());
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// One optimizer step at learning rate 0, its batches read in this thread. @param side  of the pictures in pixels;
  /// 0 = the run's own size
  /// @return  seconds
  /// @throws DataError  for pictures that cannot be read
  double step(std::int64_t side = 0);
  /// Of everything that a run's checkpoint holds.
  std::uintmax_t state_bytes() const;

 private:
  Experiment& experiment_;
  const std::int64_t rank_, world_;
  TensorMap before_;  ///< copies of the model's and the average's state
  TrainState state_;
  std::int64_t steps_ = 0;
};

/// What half the compute threads made of a step. On a machine that is busy with other work fewer can be faster.
struct ThreadTrial {
  int threads = 0, fewer = 0;  ///< fewer 0: not tried
  double seconds = 0, fewer_seconds = 0;
};

/// Tries half the threads, unless their number was given (threads=, OMP_NUM_THREADS) or is 1. The number stays as it
/// was: it can change a run's last bits, so it is not chosen by a clock.
/// @param seconds  of a step with all of them
ThreadTrial try_fewer_threads(Trial& trial, const Settings& settings, double seconds);
/// "threads=1 was faster in the trial steps (12.0 against 9.0 pictures a second) …"; "" if it was not.
std::string advise(const ThreadTrial& trial, std::int64_t pictures_per_step);

/// Seconds of a step: the shortest of two or three, which take about a twentieth of `budget_seconds`; of two where one
/// is a tenth of it, and of one where that is a quarter. Other work on the machine lengthens some of them, and what a
/// recipe says in steps is fitted to too few then. Says when fewer threads are faster.
double measure_step(Experiment& experiment, double budget_seconds, const ProcessGroup& group = world_of_one());

}  // namespace rtdetr
