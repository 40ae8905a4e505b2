#pragma once

#include <cstdint>

#include "train/optim/lr_schedule.h"

/// How long a run goes on, and all that goes by its length: when it has finished, when an epoch is over, when it is
/// validated, the learning rate.
namespace rtdetr {

/// At least one of `epochs` and `hours` bounds the run; whichever is reached first ends it.
struct BudgetOptions {
  std::int64_t epochs = 0;     ///< 0 = the time alone ends the run
  double hours = 0;            ///< of training, validation and saving left out; 0 = no limit
  std::int64_t patience = 0;   ///< epochs without a better AP that end the run; 0 = never
  std::int64_t val_every = 1;  ///< epochs between two validations
  std::int64_t val_steps = 0;  ///< steps between two, inside epochs too, and then instead of val_every; 0 = by epochs
  /// With hours: share of the run between two validations, instead of val_every at epochs' ends, or of val_steps where
  /// there is one, which are for a machine as fast as it was thought to be; 0 = those count.
  double val_share = 0;
  LrSchedule schedule;
};

/// Where a run stands.
struct RunPosition {
  std::int64_t epoch = 0;            ///< under way
  std::int64_t next_batch = 0;       ///< of that epoch; 0 = between two epochs
  std::int64_t steps = 0;            ///< optimizer steps applied
  double seconds = 0;                ///< of training; of several processes the same on all (decision.h)
  std::int64_t best_epoch = -1;      ///< of the best AP; -1 = never validated
  std::int64_t validated_step = -1;  ///< `steps` at the last validation
};

/// Meaning of strong_until and multi_scale_until: up to 1 a share of the run (of `epochs`, or of `time` when that is
/// set; 1 = never reached), above 1 the epoch, counted from 0.
/// @param progress  RunBudget::progress
bool switch_off_reached(double until, std::int64_t epoch, double progress);

/// Answers from a position alone: no clock and no counter of its own. Processes that agree on the position agree on
/// every answer.
class RunBudget {
 public:
  /// @param batches_per_epoch  > 0
  /// @param accumulate         batches of one optimizer step
  /// @throws ConfigError  when nothing would ever end the run
  RunBudget(const BudgetOptions& options, std::int64_t batches_per_epoch, std::int64_t accumulate = 1);

  bool finished(const RunPosition& at) const;
  bool epoch_is_over(const RunPosition& at) const;
  bool out_of_time(const RunPosition& at) const;
  /// Share of the run that is done, [0, 1].
  double progress(const RunPosition& at) const;
  /// Factor on every group's learning rate for the step at this position.
  StepRates rates(const RunPosition& at) const;
  double lr_factor(const RunPosition& at) const { return rates(at).factor; }

  /// Between two steps of an epoch. A step that was refused makes no second validation of the same weights.
  bool validates_inside(const RunPosition& at) const;
  /// With the last batch of an epoch done. The last weights of a run are always validated.
  bool validates_at_end(const RunPosition& at) const;

  struct Remaining {
    double steps = 0;        ///< where epochs end the run
    double seconds = -1;     ///< where the time does; else -1
    double validations = 0;  ///< where the time ends the run by the mean of its steps so far; patience is not foreseen
  };
  Remaining remaining(const RunPosition& at) const;

  const BudgetOptions& options() const { return options_; }
  std::int64_t batches_per_epoch() const { return batches_per_epoch_; }
  std::int64_t steps_per_epoch() const { return steps_of(batches_per_epoch_); }
  /// Optimizer steps that so many batches of an epoch make.
  std::int64_t steps_of(std::int64_t batches) const { return (batches + accumulate_ - 1) / accumulate_; }

 private:
  bool counts_time() const { return options_.hours > 0; }
  bool counts_epochs() const { return options_.epochs > 0; }
  bool steps_are_due(const RunPosition& at) const;
  double validations_in(const RunPosition& at, double steps) const;
  bool is_paced() const { return counts_time() && options_.val_share > 0; }
  double share_unvalidated(const RunPosition& at, double more_steps) const;
  /// No better AP for `patience` epochs, with `ended_epoch` the last of them.
  bool is_hopeless(const RunPosition& at, std::int64_t ended_epoch) const;

  BudgetOptions options_;
  std::int64_t batches_per_epoch_, accumulate_;
};

}  // namespace rtdetr
