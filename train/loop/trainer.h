#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/loader/loader.h"
#include "models/weights/checkpoint.h"
#include "train/evaluation/evaluator.h"
#include "train/loop/experiment.h"
#include "train/loop/progress.h"
#include "train/loop/skip_monitor.h"
#include "train/loop/train_step.h"
#include "train/process/stop_signal.h"
#include "train/report/results.h"
#include "train/run/run_checkpoint.h"
#include "train/run/run_folder.h"
#include "train/run/run_log.h"
#include "train/run/run_saver.h"

namespace rtdetr {

/// How a call of fit() ended.
struct RunOutcome {
  enum class End {
    kFinished,         ///< epochs or time are used up, or patience has run out
    kAlreadyFinished,  ///< the run that was to be continued had finished; nothing was changed
    kStopped,          ///< by a signal; everything is saved
  } end = End::kFinished;
  std::int64_t epochs = 0;   ///< done so far, the run as a whole
  std::int64_t steps = 0;    ///< optimizer steps so far
  std::int64_t skipped = 0;  ///< steps that were refused
  double train_seconds = 0;
  double best_ap = -1;  ///< of the EMA weights on the validation split; -1 = never validated
  std::int64_t best_epoch = -1;
};

/// How an experiment's steps are taken.
StepOptions step_options(const Experiment& experiment);

/// Trains an experiment in its run folder. All that a run must remember hangs in one StateRegistry; after a kill at any
/// moment, resume() and fit() end in the same bits as a run that was never interrupted (time= excepted: there the
/// clock decides).
class Trainer {
 public:
  /// Both outlive this object.
  /// @param stop_requested  the one question whether to stop, asked after every step and every validated batch
  Trainer(Experiment& experiment, const RunFolder& folder,
          std::function<bool()> stop_requested = StopSignals::requested);

  /// Puts the saved state back. @throws CheckpointError
  void resume(const RunCheckpoint& checkpoint);
  /// @throws DivergedError  when too many steps were refused; what is on disk stays good
  RunOutcome fit();
  bool finished() const;
  /// "last durable step 40: runs/train/exp/last.safetensors"
  std::string last_durable() const { return saver_.last_durable(); }
  bool has_saved() const { return saver_.has_saved(); }

 private:
  void open_log();
  void begin_epoch();
  bool epoch_is_over() const;
  void train_one_step();
  bool end_epoch();  ///< false: interrupted by a signal
  RunOutcome stop();
  RunOutcome outcome(RunOutcome::End end) const;

  void draw_first_batches(const std::vector<Batch>& batches);
  std::vector<Batch> next_batches(double& wait_seconds);
  void account(const StepReport& report, const std::vector<Batch>& batches, double lr_factor);
  void refuse_or_go_on(const StepReport& report, const std::vector<Batch>& batches, double lr_factor);
  void show_progress(const StepReport& report, const std::vector<Batch>& batches, double seconds, double wait);
  void switch_augmentation_off();
  bool validate_inside_epoch();  ///< where val_steps says so; false: interrupted by a signal
  bool steps_are_due() const;
  std::optional<Evaluation> validate(bool inside);
  void keep_if_best(const Evaluation& evaluation);
  EpochRecord epoch_so_far(const Evaluation* evaluation, bool inside) const;
  void record(const EpochRecord& record);
  RunState run_state() const;
  void save_on_the_way();
  void keep_best();
  void save_epoch_weights();
  bool save_is_due() const;
  bool out_of_time() const;
  bool counts_epochs() const;
  bool out_of_epochs() const;
  double progress() const;
  double lr_factor() const;
  ModelInfo model_info() const;

  Experiment& experiment_;
  const Settings& settings_;
  const RunFolder& folder_;
  AdamW optimizer_;
  Ema ema_;
  LrSchedule schedule_;
  TrainStep step_;
  SkipMonitor skips_;
  StateRegistry state_;
  RunSaver saver_;
  std::function<bool()> stop_requested_;
  ProgressLine line_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<RunLog> log_;
  bool resumed_ = false;

  // the cursor: what has been done, all of it registered state
  std::int64_t epoch_ = 0;                               ///< under way
  std::int64_t next_batch_ = 0;                          ///< of that epoch
  std::int64_t steps_ = 0;                               ///< optimizer steps applied
  std::int64_t strong_off_ = -1, multi_scale_off_ = -1;  ///< epochs in which these were switched off; -1 = not yet
  std::int64_t best_epoch_ = -1;
  double best_ap_ = -1;
  torch::Tensor loss_sums_;  ///< [kMostTerms] float64: this epoch's, by loss_terms_
  std::int64_t loss_steps_ = 0;

  // told beside the state
  std::vector<std::string> loss_terms_;
  std::optional<double> confidence_;  ///< where F1 was best when the averaged weights were last validated
  std::int64_t validated_step_ = -1;  ///< steps_ at the last validation
  double train_seconds_ = 0;
  double last_save_ = 0;  ///< train_seconds_ at the last attempt to save
  std::int64_t last_saved_step_ = 0;
};

}  // namespace rtdetr
