#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/distributed/process_group.h"
#include "data/loader/loader.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_options.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// @throws ConfigError  for a batch that does not divide by the processes
void require_equal_shares(std::int64_t batch, const ProcessGroup& group);

/// A run's batches, of several processes one's own part of them. Strong augmentation and multi-scale end with an epoch,
/// and from there on the batches are without.
class TrainingData {
 public:
  /// @throws ConfigError, DataError
  TrainingData(const Dataset& dataset, const TrainOptions& options, const ProcessGroup& group);

  std::int64_t batches_per_epoch() const { return loader_.batches_per_epoch(); }
  /// Adds `run.strong_off` and `run.multi_scale_off`.
  void register_state(StateRegistry& registry);
  /// Goes on at that position. Switches are decided where an epoch begins; a run that is continued inside one keeps
  /// what was decided then.
  /// @param progress  of the run
  void start(const RunPosition& at, double progress);

  struct StepBatches {
    std::vector<Batch> batches;  ///< the last step of an epoch may have fewer than the others
    double wait_seconds = 0;
  };
  StepBatches next_step(const RunPosition& at);
  /// Those of the step after this one that are there already; next_step() will return them first.
  std::span<const Batch> look_ahead();
  bool strong_is_off() const { return strong_off_ >= 0; }

 private:
  TransformOptions transforms_;
  std::int64_t accumulate_;
  double strong_until_, multi_scale_until_;
  Loader loader_;
  std::vector<Batch> ahead_;
  bool started_ = false;
  std::int64_t strong_off_ = -1, multi_scale_off_ = -1;  ///< epochs in which these were switched off; -1 = not yet
};

}  // namespace rtdetr
