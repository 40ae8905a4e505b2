#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/distributed/process_group.h"
#include "data/loader/loader.h"
#include "train/loop/augmentation_windows.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_options.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// @throws ConfigError  for a batch that does not divide by the processes
void require_equal_shares(std::int64_t batch, const ProcessGroup& group);

/// A run's batches, of several processes one's own part of them, with the augmentation that is on in their epoch.
class TrainingData {
 public:
  /// @throws ConfigError, DataError
  TrainingData(const Dataset& dataset, const TrainOptions& options, const ProcessGroup& group);

  std::int64_t batches_per_epoch() const { return loader_.batches_per_epoch(); }
  void register_state(StateRegistry& registry) { windows_.register_state(registry); }
  /// Goes on at that position.
  /// @param progress  of the run
  void start(const RunPosition& at, double progress);

  struct StepBatches {
    std::vector<Batch> batches;  ///< the last step of an epoch may have fewer than the others
    double wait_seconds = 0;
  };
  StepBatches next_step(const RunPosition& at);
  /// Those of the step after this one that are there already; next_step() will return them first.
  std::span<const Batch> look_ahead();
  bool strong_is_off() const { return windows_.strong_is_off(); }

 private:
  TransformOptions transforms_;
  std::int64_t accumulate_;
  AugmentationWindows windows_;
  Loader loader_;
  std::vector<Batch> ahead_;
  bool started_ = false;
};

}  // namespace rtdetr
