#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/process_group.h"
#include "core/ops/device_memory.h"
#include "train/loop/decision.h"
#include "train/loop/epoch_losses.h"
#include "train/loop/last_stage.h"
#include "train/loop/run_budget.h"
#include "train/loop/run_keeper.h"
#include "train/loop/skip_monitor.h"
#include "train/loop/train_observer.h"
#include "train/loop/train_options.h"
#include "train/loop/train_state.h"
#include "train/loop/training_data.h"
#include "train/run/host_copy.h"
#include "train/run/run_checkpoint.h"
#include "train/run/run_folder.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// How a call of fit() ended.
struct RunOutcome {
  enum class End {
    kFinished,         ///< epochs or time are used up, or patience has run out
    kAlreadyFinished,  ///< the run that was to be continued had finished; nothing was changed
    kStopped,          ///< because an observer wanted it; everything is saved
  } end = End::kFinished;
  std::int64_t epochs = 0;   ///< done so far, the run as a whole
  std::int64_t steps = 0;    ///< optimizer steps so far
  std::int64_t skipped = 0;  ///< steps that were refused
  double train_seconds = 0;
  double best_ap = -1;  ///< of the EMA weights on the validation split; -1 = never validated
  std::int64_t best_epoch = -1;
};

/// Trains a model in a run folder. A program needs no settings, recipe or command line for it:
///
///     const Dataset data = load_dataset(load_dataset_config("my.yaml"), "train");
///     const TrainInput input = train_input(load_model_spec("rtdetr-n.yaml"), data);
///     TrainOptions options = train_options(input, {.height = 640, .width = 640}, /*batch=*/16);
///     options.budget.epochs = 10;
///     const RunFolder folder("runs/mine");
///     Trainer trainer(input, options, folder);
///     trainer.observe(mine);  // a TrainObserver: progress, pictures, a button to stop
///     trainer.fit();          // runs/mine/best.safetensors, last.safetensors, results.csv, log.jsonl
///
/// The whole program: docs/howto/embed.md.
///
/// All that a run must remember hangs in one StateRegistry; after a kill at any moment, resume() and fit() end in the
/// same bits as a run that was never interrupted (a budget of hours excepted: there the clock decides).
///
/// Of several processes each has a trainer with the same input and options. What one of them alone must not decide
/// (did all step? stop? how much time is left?) is agreed on once a step, and only the main one touches the folder.
class Trainer {
 public:
  /// Folder and group outlive this object. @throws ConfigError  for options out of range
  Trainer(const TrainInput& input, const TrainOptions& options, const RunFolder& folder,
          ProcessGroup& group = world_of_one());

  /// From now on the run tells this one too. It outlives this object.
  void observe(TrainObserver& observer) { observers_.push_back(&observer); }
  /// Puts the saved state back. @throws CheckpointError
  void resume(const RunCheckpoint& checkpoint);
  /// @throws DivergedError  when too many steps were refused; what is on disk stays good
  RunOutcome fit();

  bool finished() const { return budget_.finished(position_); }
  /// Of the next step, as a share of every group's own rate.
  double lr_factor() const { return budget_.lr_factor(position_); }
  bool strong_augmentation_is_off() const { return data_.strong_is_off(); }
  /// "last durable step 40: runs/train/exp/last.safetensors"
  std::string last_durable() const { return keeper_.saver().last_durable(); }
  bool has_saved() const { return keeper_.saver().has_saved(); }

 private:
  RunOutcome run_to_the_end();
  void begin();
  void begin_epoch();  ///< or goes on with one
  void go_back_to_best();
  Decision train_one_step();
  bool validate_inside_epoch();  ///< where val_steps says so; false: interrupted
  bool end_epoch();              ///< false: interrupted
  RunOutcome stop();
  void log_failure(const Error& error);
  RunOutcome outcome(RunOutcome::End end) const;

  void account(const StepReport& report, std::span<const Batch> batches, double lr_factor);
  void refuse(const StepReport& report, const std::string& verdict, std::span<const Batch> batches, double lr_factor);
  std::optional<Evaluation> validate(bool inside);
  void keep_if_best(const Evaluation& evaluation);
  void keep_best();
  void record(const EpochRecord& record);
  EpochRecord epoch_so_far(const Evaluation* evaluation, bool inside) const;
  RunState run_state();
  ModelInfo model_info() const;
  void save_on_the_way();
  void save();
  void tell_saved();
  void compare_ranks();
  bool should_stop();
  void pause();

  TrainInput input_;
  TrainOptions options_;
  ProcessGroup& group_;
  TrainingData data_;
  RunBudget budget_;
  TrainState state_;
  StateRegistry trained_;  ///< of that what training changes, and no more: weights, averages, moments
  RunKeeper keeper_;
  HostCopy host_copy_;
  LoadLimit limit_{"batch= half as large with accumulate= twice as large takes the same steps in less memory"};
  std::vector<TrainObserver*> observers_;
  bool resumed_ = false;
  std::optional<std::int64_t> compared_;  ///< step at which all ranks were seen to hold the same state

  // what has been done, all of it registered state but position_.seconds and .validated_step, which are told beside it
  RunPosition position_;
  SkipMonitor skips_;
  EpochLosses losses_;
  LastStage last_stage_;
  double best_ap_ = -1;
  std::optional<double> confidence_;  ///< where F1 was best when the averaged weights were last validated
};

}  // namespace rtdetr
