#pragma once

#include <cstdint>
#include <span>

#include "data/dataset/sample.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_step.h"
#include "train/report/results.h"

namespace rtdetr {

/// A step that was taken, or refused (report.applied).
struct StepEvent {
  const StepReport& report;
  std::span<const Batch> batches;
  const RunPosition& position;  ///< after the step
  const RunBudget& budget;
  double seconds = 0;          ///< the step with its wait for data
  double wait_seconds = 0;     ///< of these, waiting for data
  std::int64_t processes = 1;  ///< that took it together, each with batches of this size
};

/// What a run tells while it goes, and asks. All calls come from the thread of fit(), between two steps; an exception
/// ends the run as one of its own would. A call that is not overridden does nothing.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;

  /// A step's batches are read, and it is about to be taken.
  virtual void on_batches(std::span<const Batch> batches, const StepPosition& position);
  virtual void on_step(const StepEvent& event);
  /// There are no steps for a while: a validation, an epoch's end, or the run's.
  virtual void on_pause() {}
  /// The averaged weights were validated: record.evaluation is there.
  virtual void on_validation(const EpochRecord& record);
  /// results.csv has a new row: of an epoch that has ended, or with record.inside of one that goes on.
  virtual void on_record(const EpochRecord& record);
  /// A save has begun or ended: the run's state is on the disk, is on its way there, or will be tried again.
  virtual void on_saved() {}
  /// Asked after every step and every validated batch; true: the run saves its state and ends.
  virtual bool should_stop() { return false; }
};

inline void TrainObserver::on_batches(std::span<const Batch>, const StepPosition&) {}
inline void TrainObserver::on_step(const StepEvent&) {}
inline void TrainObserver::on_validation(const EpochRecord&) {}
inline void TrainObserver::on_record(const EpochRecord&) {}

}  // namespace rtdetr
