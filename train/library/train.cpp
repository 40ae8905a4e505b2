#include "train/library/train.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <utility>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "core/base/error.h"
#include "core/base/log_level.h"
#include "core/base/short_waits.h"
#include "train/config/input_files.h"
#include "train/config/settings.h"
#include "train/config/settings_parser.h"
#include "train/loop/run_opening.h"
#include "train/loop/run_start.h"
#include "train/loop/train_observer.h"
#include "train/loop/train_options.h"
#include "train/loop/trainer.h"
#include "train/process/failure.h"
#include "train/process/job.h"
#include "train/process/machine.h"

namespace rtdetr {
namespace {

/// The run's events as the callbacks want them.
class CallbackObserver : public TrainObserver {
 public:
  explicit CallbackObserver(const TrainCallbacks& callbacks) : callbacks_(callbacks) {}

  void on_step(const StepEvent& event) override {
    if (!callbacks_.on_step) return;
    const BudgetOptions& budget = event.budget.options();
    call([&] {
      callbacks_.on_step({.step = event.position.steps,
                          .epoch = event.position.epoch,
                          .epochs = budget.hours > 0 ? 0 : budget.epochs,
                          .progress = event.budget.progress(event.position),
                          .loss = event.report.loss,
                          .seconds = event.seconds,
                          .applied = event.report.applied});
    });
  }
  void on_record(const EpochRecord& record) override {
    if (!callbacks_.on_epoch) return;
    EpochProgress told{.epoch = record.epoch, .step = record.run_steps, .inside = record.inside};
    if (!record.losses.empty()) told.loss = record.losses.front().second;
    if (record.evaluation) {
      told.ap = record.evaluation->detecting().metric.ap();
      told.ap50 = record.evaluation->detecting().metric.ap50();
    }
    told.train_seconds = record.train_seconds;
    call([&] { callbacks_.on_epoch(told); });
  }
  bool should_stop() override {
    bool stop = false;
    if (callbacks_.should_stop) call([&] { stop = callbacks_.should_stop(); });
    return stop;
  }

  /// What a callback threw.
  std::exception_ptr thrown() const { return thrown_; }

 private:
  template <typename Call>
  void call(const Call& call) {
    try {
      call();
    } catch (...) {
      thrown_ = std::current_exception();
      throw;
    }
  }

  const TrainCallbacks& callbacks_;
  std::exception_ptr thrown_;
};

/// The process's compute threads, log level and choice of a GPU's algorithms (choose_algorithms()) as they were.
class ProcessAsBefore {
 public:
  ProcessAsBefore() = default;
  ~ProcessAsBefore() {
    at::set_num_threads(threads_);
    log::set_level(level_);
    at::Context& context = at::globalContext();
    context.setBenchmarkCuDNN(fastest_);
    context.setDeterministicCuDNN(same_bits_in_cudnn_);
    context.setDeterministicAlgorithms(same_bits_, only_warns_);
    context.setDeterministicFillUninitializedMemory(fills_);
  }
  ProcessAsBefore(const ProcessAsBefore&) = delete;
  ProcessAsBefore& operator=(const ProcessAsBefore&) = delete;

 private:
  int threads_ = at::get_num_threads();
  log::Level level_ = log::level();
  bool fastest_ = at::globalContext().benchmarkCuDNN();
  bool same_bits_in_cudnn_ = at::globalContext().deterministicCuDNN();
  bool same_bits_ = at::globalContext().deterministicAlgorithms();
  bool only_warns_ = at::globalContext().deterministicAlgorithmsWarnOnly();
  bool fills_ = at::globalContext().deterministicFillUninitializedMemory();
};

/// The one run of the process. Not a mutex: a callback may ask on the thread that trains.
class OnlyRun {
 public:
  OnlyRun() {
    if (under_way_.test_and_set()) throw ConfigError("train(): this process trains already; one run at a time");
  }
  ~OnlyRun() { under_way_.clear(); }
  OnlyRun(const OnlyRun&) = delete;
  OnlyRun& operator=(const OnlyRun&) = delete;

 private:
  static inline std::atomic_flag under_way_;
};

Settings settings_of(const std::vector<std::string>& words) {
  std::vector<std::string> arguments = {"train"};
  const auto says_quiet = [](const std::string& word) { return word.starts_with("quiet="); };
  if (std::none_of(words.begin(), words.end(), says_quiet)) arguments.emplace_back("quiet=true");
  arguments.insert(arguments.end(), words.begin(), words.end());
  Settings settings = parse_command_line(arguments);
  if (settings.command != Command::kTrain)
    throw ConfigError("train(): the settings ask for another command than train; give it key=value words alone");
  if (settings.check) throw ConfigError("train(): check=true is the program's; a call trains");
  if (starts_ranks(settings))
    throw ConfigError("train(): nproc= and a list of GPUs start processes, which the program alone does");
  require_input_files(settings);
  return settings;
}

TrainResult result_of(const RunOutcome& outcome, const RunFolder& folder) {
  using End = TrainResult::End;
  TrainResult result{.folder = folder.path(), .best = folder.best(), .last = folder.last()};
  switch (outcome.end) {
    case RunOutcome::End::kFinished:
      result.end = End::kFinished;
      break;
    case RunOutcome::End::kAlreadyFinished:
      result.end = End::kAlreadyFinished;
      break;
    case RunOutcome::End::kStopped:
      result.end = End::kStopped;
      break;
  }
  result.epochs = outcome.epochs;
  result.steps = outcome.steps;
  result.skipped = outcome.skipped;
  result.train_seconds = outcome.train_seconds;
  if (outcome.best_ap >= 0) result.best_ap = outcome.best_ap;
  result.best_epoch = outcome.best_epoch;
  return result;
}

TrainResult run(const Settings& settings, CallbackObserver& observer) {
  apply_machine_settings(settings);
  OpenedRun opened = open_run(settings);
  Trainer trainer(train_input(opened.experiment), train_options(opened.experiment), opened.folder);
  trainer.observe(observer);
  if (opened.checkpoint) go_on(trainer, *opened.checkpoint, opened.experiment.settings, opened.folder);
  if (!trainer.finished()) write_arguments(settings, opened.experiment, opened.folder);
  return result_of(trainer.fit(), opened.folder);
}

}  // namespace

TrainResult train(const std::vector<std::string>& settings, const TrainCallbacks& callbacks) {
  const OnlyRun only;
  CallbackObserver observer(callbacks);
  try {
    const ProcessAsBefore before;
    const std::shared_ptr<ShortWaits> waits =
        ShortWaits::shared();  // the program asks for short ones by its environment
    const ShortWaits::Computing computing(waits.get());
    return run(settings_of(settings), observer);
  } catch (const Error&) {
    throw;
  } catch (...) {
    if (observer.thrown()) std::rethrow_exception(observer.thrown());
    throw as_error(std::current_exception());
  }
}

}  // namespace rtdetr
