#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// Training as a call: what `rtdetr train` does, with callbacks in place of its live line, pictures and signals. Needs
/// no header of LibTorch.
namespace rtdetr {

/// A step that was taken, or refused.
struct StepProgress {
  std::int64_t step = 0;    ///< optimizer steps of the run so far, this one included
  std::int64_t epoch = 0;   ///< from 0, under way
  std::int64_t epochs = 0;  ///< of the run; 0 = its time alone ends it
  double progress = 0;      ///< of the run, [0, 1]
  double loss = 0;          ///< sum of all terms
  double seconds = 0;       ///< the step with its wait for data
  bool applied = true;      ///< false: a number was not finite, and nothing was changed
};

/// An epoch that has ended, or one so far, where the run is validated by steps.
struct EpochProgress {
  std::int64_t epoch = 0;  ///< from 0
  std::int64_t step = 0;   ///< optimizer steps of the run so far
  bool inside = false;     ///< the epoch goes on
  double loss = 0;         ///< mean of its steps
  /// AP at IoU 0.50 to 0.95 and at 0.50 of the averaged weights on the split `val`; absent where that was not due.
  std::optional<double> ap, ap50;
  double train_seconds = 0;  ///< of the run so far
};

/// What a run tells and asks. Each may be empty. All come from the thread that called train(), between two steps; what
/// one throws ends the run and comes out of train() as it is, and the last save stays good.
struct TrainCallbacks {
  std::function<void(const StepProgress&)> on_step;
  std::function<void(const EpochProgress&)> on_epoch;
  /// Asked in each step, before on_step is told of it, and after each validated batch; true: the run saves its state
  /// and ends with that step. To stop it from another thread, read an atomic here.
  std::function<bool()> should_stop;
};

struct TrainResult {
  enum class End {
    kFinished,         ///< epochs or time are used up, or patience has run out
    kAlreadyFinished,  ///< the run that was to be continued had finished; nothing was changed
    kStopped,          ///< should_stop said so; resume= goes on
  } end = End::kFinished;
  std::filesystem::path folder;  ///< of the run
  std::filesystem::path best;    ///< weights of the best epoch, for Detector; may not be there after kStopped
  std::filesystem::path last;    ///< everything needed to go on
  std::int64_t epochs = 0;       ///< done so far, the run as a whole
  std::int64_t steps = 0;
  std::int64_t skipped = 0;  ///< steps that were refused
  double train_seconds = 0;
  std::optional<double> best_ap;  ///< absent: never validated
  std::int64_t best_epoch = -1;
};

/// Trains a model in a run folder, as `rtdetr train` with the same words does: the same defaults, files, checks and
/// bits.
///
///     const rtdetr::TrainResult result = rtdetr::train({"cfg=finetune", "model=rtdetr-n.yaml", "data=my.yaml"});
///     rtdetr::Detector detector(result.best);
///
/// It writes args.yaml, best.safetensors, last.safetensors, results.csv and log.jsonl, no pictures, and nothing to
/// stdout. Warnings go to stderr; quiet=false says what the program says there. It starts no process: nproc= and lists
/// of GPUs are the program's. One run at a time in a process, also from its callbacks. While it lasts, `threads=`,
/// `quiet=`, `verbose=` and `deterministic=` are the process's; `tf32=`, the GPU as the thread's current one, and
/// CUBLAS_WORKSPACE_CONFIG in the environment, which `deterministic=` needs, stay when it has ended.
///
/// @param settings  "key=value" each (docs/reference/commands.md#train)
/// @throws Error    with the program's exit code and words
TrainResult train(const std::vector<std::string>& settings, const TrainCallbacks& callbacks = {});

}  // namespace rtdetr
