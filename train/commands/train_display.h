#pragma once

#include <cstdint>
#include <iterator>
#include <string>

#include "core/base/clock.h"
#include "data/dataset/dataset.h"
#include "train/evaluation/evaluator.h"
#include "train/loop/experiment.h"
#include "train/loop/train_observer.h"
#include "train/loop/trainer.h"
#include "train/report/progress.h"
#include "train/report/run_record.h"
#include "train/report/work_progress.h"
#include "train/run/run_folder.h"

/// What the command `train` shows of a run, and how it is told to stop.
namespace rtdetr {

/// The live line of training and of a validation that takes a while, and a line for each validation.
class TrainConsole : public TrainObserver {
 public:
  /// @param val_pictures  0: the run is not validated
  explicit TrainConsole(std::int64_t val_pictures) : val_pictures_(val_pictures) {}
  void on_step(const StepEvent& event) override;
  void on_pause() override;
  void on_validation(const EpochRecord& record) override;
  /// So many pictures of a validation are done.
  void on_validated(std::int64_t pictures) const;

 private:
  ProgressLine line_;
  std::int64_t val_pictures_;
  Stopwatch paused_;
  WorkProgress validating_{0};
  double validation_seconds_ = 0;  ///< of the last ones; 0 = there was none
};

/// train_batch0..2.jpg of the first epoch, and after each epoch results.png, index.html and TensorBoard's file.
class TrainPictures : public TrainObserver {
 public:
  /// Outlived by both.
  TrainPictures(const Dataset& train, const RunFolder& folder) : train_(train), folder_(folder), run_(folder.path()) {}
  void on_batches(std::span<const Batch> batches, const StepPosition& position) override;
  void on_record(const EpochRecord& record) override;

 private:
  const Dataset& train_;
  const RunFolder& folder_;
  RunReader run_;
};

/// StopSignals as a reason to stop.
class StopOnSignal : public TrainObserver {
 public:
  bool should_stop() override;
};

/// What the launcher tells if a rank fails: what is saved and how to go on (leave_note()).
class NoteForLauncher : public TrainObserver {
 public:
  void note(const Trainer& trainer, const std::string& how_to_go_on);
  void on_saved() override;

 private:
  const Trainer* trainer_ = nullptr;
  std::string how_to_go_on_;
};

/// All of these.
class TrainDisplay {
 public:
  /// Outlived by both.
  TrainDisplay(const Experiment& experiment, const RunFolder& folder)
      : console_(experiment.val ? std::ssize(experiment.val->pictures) : 0), pictures_(experiment.train, folder) {}
  /// Shows its validations, too; outlives their options.
  void watch_validations(EvaluatorOptions& options) {
    options.progress = [this](std::int64_t pictures) { console_.on_validated(pictures); };
  }
  /// Outlives the trainer's fit(). @param plots  with pictures
  void watch(Trainer& trainer, bool plots, const std::string& how_to_go_on);
  /// For a process that is not the main one: shows nothing, but may be told to stop.
  void watch_silently(Trainer& trainer) { trainer.observe(stop_); }

 private:
  TrainConsole console_;
  TrainPictures pictures_;
  StopOnSignal stop_;
  NoteForLauncher note_;
};

}  // namespace rtdetr
