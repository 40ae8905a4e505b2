#include "train/loop/trainer.h"

#include <exception>
#include <utility>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/distributed/shared_state.h"
#include "train/process/failure.h"
#include "train/report/detection_report.h"

namespace rtdetr {
namespace {

/// The largest of the batches of a step, which are computed one after the other.
PictureLoad load_of(std::span<const Batch> batches) {
  PictureLoad largest;
  for (const Batch& batch : batches) {
    const PictureLoad load{batch.size, batch.height, batch.width};
    if (load.pixels() > largest.pixels()) largest = load;
  }
  return largest;
}

/// Why the run must stop; "" while it may go on.
std::string verdict_on_scale(double factor) {
  if (factor >= LossScale::kSmallest) return "";
  return "the gradients are beyond fp16 even where the loss is multiplied by no more than " +
         format_double(LossScale::kSmallest) + "; amp=bf16 has the range of fp32";
}

}  // namespace

Trainer::Trainer(const TrainInput& input, const TrainOptions& options, const RunFolder& folder, ProcessGroup& group)
    : input_(input),
      options_(options),
      group_(group),
      data_(*input.train, options, group),
      budget_(options.budget, data_.batches_per_epoch(), options.accumulate),
      state_(input, options, group),
      trained_(state_.registry),
      keeper_(folder, options.save, group.is_main()),
      last_stage_(options.last_stage) {
  StateRegistry& registry = state_.registry;
  skips_.register_state(registry);
  data_.register_state(registry);
  losses_.register_state(registry);
  last_stage_.register_state(registry);
  registry.add("run.epoch", &position_.epoch);
  registry.add("run.next_batch", &position_.next_batch);
  registry.add("run.steps", &position_.steps);
  registry.add("run.best_epoch", &position_.best_epoch);
  registry.add("run.best_ap", &best_ap_);
}

void Trainer::resume(const RunCheckpoint& checkpoint) {
  state_.registry.restore(checkpoint.state, checkpoint.file.string());
  position_.seconds = checkpoint.facts.train_seconds;
  position_.validated_step = checkpoint.facts.validated_step;
  keeper_.begin_with(checkpoint.file, position_);
  confidence_ = checkpoint.best_confidence;
  losses_.set_names(checkpoint.facts.loss_terms);
  resumed_ = true;
  if (last_stage_.may_go_back(best_ap_)) keeper_.look_for_best_state(options_.facts.identity);
  log::info("continuing " + checkpoint.file.string() + " in epoch " + std::to_string(position_.epoch + 1) +
            " at batch " + std::to_string(position_.next_batch) + ", " + counted(position_.steps, "step") + " done");
}

RunOutcome Trainer::fit() {
  if (finished()) return outcome(RunOutcome::End::kAlreadyFinished);
  try {
    return run_to_the_end();
  } catch (...) {
    try {
      log_failure(as_error(std::current_exception()));
      keeper_.settle();                // the message says what is on the disk
    } catch (const std::exception&) {  // what ended the run is told, not what followed
    }
    throw;
  }
}

RunOutcome Trainer::run_to_the_end() {
  begin();
  while (!finished()) {
    begin_epoch();
    while (!budget_.epoch_is_over(position_)) {
      if (!validate_inside_epoch()) return stop();
      if (train_one_step().stop) return stop();
      if (keeper_.save_has_ended()) tell_saved();
      if (keeper_.save_is_due(position_)) save_on_the_way();
    }
    if (!end_epoch()) return stop();
  }
  keeper_.log("finish", {{"steps_done", position_.steps}});
  return outcome(RunOutcome::End::kFinished);
}

void Trainer::begin() {
  std::optional<LogPosition> position;
  if (resumed_) {
    position = {.epoch = position_.epoch, .batch = position_.next_batch, .validated_step = position_.validated_step};
  }
  keeper_.require_room(state_.registry.entries(), last_stage_.is_wanted());
  keeper_.open(position);
  keeper_.log(resumed_ ? "continue" : "start", {{"version", RTDETR_VERSION},
                                                {"command", options_.command},
                                                {"seed", options_.step.seed},
                                                {"steps_done", position_.steps},
                                                {"precision", precision_name(options_.step.precision)},
                                                {"fitted", options_.facts.fitted}});
  compare_ranks();
}

void Trainer::begin_epoch() {
  const double progress = budget_.progress(position_);
  if (last_stage_.goes_back(position_, progress, best_ap_)) go_back_to_best();
  data_.start(position_, progress);
}

void Trainer::go_back_to_best() {
  keeper_.settle_best_state();
  agree({}, group_);  // what the main process has written is there for all
  const std::optional<TensorMap> best = keeper_.read_best_state(trained_, options_.facts.identity);
  if (!agree({.finite = best.has_value()}, group_).finite) {
    log::warning("epoch " + std::to_string(position_.epoch + 1) +
                 " goes on from the weights as they are: the best before the last stage cannot be taken");
    return;
  }
  trained_.restore(*best, keeper_.best_state().string());
  compared_.reset();
  keeper_.log("last_stage",
              {{"epoch", position_.epoch}, {"batch", 0}, {"returns", last_stage_.returns()}, {"ap", best_ap_}});
  log::info("epoch " + std::to_string(position_.epoch + 1) + " goes on from the best weights before the last stage");
}

Decision Trainer::train_one_step() {
  const double begin = seconds_now();
  const auto [batches, wait] = data_.next_step(position_);
  const StepPosition at{.epoch = position_.epoch, .first_batch = position_.next_batch};
  for (TrainObserver* observer : observers_) observer->on_batches(batches, at);
  const StepRates rates = budget_.rates(position_);
  if (!options_.step.device.is_cpu()) state_.step.expect(data_.look_ahead());
  const auto step = [&, taken = std::span<const Batch>(batches)] { return state_.step.run(taken, at, rates); };
  const StepReport report = limit_.run(load_of(batches), step);
  const double seconds = seconds_now() - begin;
  const Decision decision = agree({report.applied, should_stop(), position_.seconds + seconds}, group_);
  RTDETR_CHECK(decision.finite == report.applied, "one process applied a step that another refused");
  account(report, batches, rates.factor);
  position_.seconds = decision.seconds;
  const StepEvent event{report, batches, position_, budget_, seconds, wait, group_.size()};
  for (TrainObserver* observer : observers_) observer->on_step(event);
  return decision;
}

void Trainer::account(const StepReport& report, std::span<const Batch> batches, double lr_factor) {
  const std::string verdict = report.overflowed() ? verdict_on_scale(*report.loss_scale) : skips_.note(report.applied);
  if (!report.applied) refuse(report, verdict, batches, lr_factor);
  nlohmann::ordered_json members{
      {"epoch", position_.epoch},     {"batch", position_.next_batch},  {"loss", report.loss},
      {"norm", report.gradient_norm}, {"lr", lr_factor * options_.lr0}, {"applied", report.applied}};
  if (report.loss_scale) members["loss_scale"] = *report.loss_scale;
  keeper_.log("step", members);
  position_.next_batch += static_cast<std::int64_t>(batches.size());
  if (!report.applied) return;
  ++position_.steps;
  losses_.add(report);
}

/// @param verdict  why the run must stop; "" while it may go on
void Trainer::refuse(const StepReport& report, const std::string& verdict, std::span<const Batch> batches,
                     double lr_factor) {
  const std::string text = describe_refused(report, lr_factor * options_.lr0, batches, *input_.train);
  report.overflowed() ? log::debug(text) : log::warning(text);
  if (verdict.empty()) return;
  throw DivergedError(verdict + "; " + text + "; a lower lr0=, a longer warmup_steps= or amp=off may help");
}

/// What was validated is saved at once: a run of few validations does not go far back for one.
bool Trainer::validate_inside_epoch() {
  if (input_.val == nullptr || !budget_.validates_inside(position_)) return true;
  pause();
  const auto evaluation = validate(/*inside=*/true);
  if (!evaluation) return false;
  record(epoch_so_far(&*evaluation, /*inside=*/true));
  save_on_the_way();
  return true;
}

bool Trainer::end_epoch() {
  pause();
  std::optional<Evaluation> evaluation;
  if (input_.val != nullptr && budget_.validates_at_end(position_)) {
    evaluation = validate(/*inside=*/false);
    if (!evaluation) return false;
  }
  record(epoch_so_far(evaluation ? &*evaluation : nullptr, /*inside=*/false));
  if (keeper_.keeps_epoch(position_.epoch)) {
    require_finite(state_.registry.entries());
    keeper_.keep_epoch(input_.average, model_info());
  }
  ++position_.epoch;
  position_.next_batch = 0;
  losses_.clear();
  const bool never_validated = input_.val == nullptr && position_.best_epoch < 0;
  if (never_validated && finished()) keep_best();
  finished() ? save() : save_on_the_way();
  return true;
}

std::optional<Evaluation> Trainer::validate(bool inside) {
  compare_ranks();
  const auto cancelled = [this] { return agree({.stop = should_stop()}, group_).stop; };
  EvaluatorOptions options = options_.evaluation;
  if (options.criterion) options.criterion = options.criterion->at_epoch(position_.epoch);  // as the epoch's steps
  auto evaluation = evaluate(input_.average, *input_.val, options, cancelled, group_);
  if (!evaluation) return std::nullopt;
  confidence_ = best_confidence(*evaluation, *input_.val);
  position_.validated_step = position_.steps;
  for (TrainObserver* observer : observers_) observer->on_validation(epoch_so_far(&*evaluation, inside));
  keep_if_best(*evaluation);
  last_stage_.note(evaluation->detecting().metric.ap());
  return evaluation;
}

void Trainer::keep_if_best(const Evaluation& evaluation) {
  const double ap = evaluation.detecting().metric.ap();
  if (position_.best_epoch >= 0 && ap <= best_ap_) return;
  best_ap_ = ap;
  position_.best_epoch = position_.epoch;
  keep_best();
  if (last_stage_.is_wanted() && !last_stage_.has_begun()) keeper_.keep_best_state(trained_, options_.facts.identity);
}

void Trainer::keep_best() {
  require_finite(state_.registry.entries());
  keeper_.keep_best(input_.average, model_info());
}

void Trainer::record(const EpochRecord& record) {
  keeper_.record(record);
  for (TrainObserver* observer : observers_) observer->on_record(record);
}

EpochRecord Trainer::epoch_so_far(const Evaluation* evaluation, bool inside) const {
  EpochRecord record{.epoch = position_.epoch,
                     .inside = inside,
                     .run_steps = position_.steps,
                     .in_steps = options_.budget.val_steps > 0,
                     .train_seconds = position_.seconds,
                     .evaluation = evaluation,
                     .layers = input_.model->head().layers(),
                     .steps = losses_.steps(),
                     .losses = losses_.means()};
  const StepRates rates = budget_.rates(position_);
  for (const ParameterGroup& group : state_.optimizer->groups()) record.rates.push_back(group.rate(rates));
  return record;
}

RunState Trainer::run_state() {
  RunFacts facts = options_.facts;
  facts.train_seconds = position_.seconds;
  facts.loss_terms = losses_.names();
  facts.precision = precision_name(options_.step.precision);
  facts.time = options_.budget.hours;
  facts.epochs = options_.budget.epochs;
  facts.lr_factor = lr_factor();
  facts.validated_step = position_.validated_step;
  keeper_.settle();  // the copies of the state before are used again
  HostState host;
  if (group_.is_main()) host = host_copy_.take(state_.registry.entries());
  return {.tensors = std::move(host.tensors),
          .arrive = std::move(host.arrive),
          .facts = std::move(facts),
          .model_metadata = to_metadata(model_info()),
          .step = position_.steps};
}

/// What a file with this run's weights says about them.
ModelInfo Trainer::model_info() const {
  ModelInfo info;
  info.names = input_.train->classes.names;
  info.category_ids = input_.train->classes.category_ids;
  info.height = options_.transforms.height;
  info.width = options_.transforms.width;
  info.resampling = options_.transforms.resampling;
  info.fit = options_.transforms.fit;
  info.step = position_.steps;
  info.epoch = position_.epoch;
  info.best_confidence = confidence_;
  return describe_model(input_.average, std::move(info));
}

void Trainer::save_on_the_way() {
  compare_ranks();
  keeper_.save_on_the_way(run_state());
  tell_saved();
}

void Trainer::save() {
  compare_ranks();
  keeper_.save(run_state());
  tell_saved();
}

void Trainer::tell_saved() {
  for (TrainObserver* observer : observers_) observer->on_saved();
}

/// All of what a checkpoint holds, and before it is written: no rank's state is to be anybody else's.
void Trainer::compare_ranks() {
  if (group_.size() == 1 || compared_ == position_.steps) return;
  const TensorMap entries = state_.registry.entries();
  require_same_state(group_, {entries.begin(), entries.end()});
  compared_ = position_.steps;
}

bool Trainer::should_stop() {
  bool stop = false;
  for (TrainObserver* observer : observers_) stop = observer->should_stop() || stop;
  return stop;
}

void Trainer::pause() {
  for (TrainObserver* observer : observers_) observer->on_pause();
}

RunOutcome Trainer::stop() {
  pause();
  save();
  keeper_.log("stop", {{"steps_done", position_.steps}});
  return outcome(RunOutcome::End::kStopped);
}

void Trainer::log_failure(const Error& error) {
  const bool diverged = error.code() == ExitCode::kDiverged;
  keeper_.log(diverged ? "diverged" : "fail", {{"steps_done", position_.steps}, {"reason", error.what()}});
}

RunOutcome Trainer::outcome(RunOutcome::End end) const {
  return {.end = end,
          .epochs = position_.epoch,
          .steps = position_.steps,
          .skipped = skips_.skipped(),
          .train_seconds = position_.seconds,
          .best_ap = best_ap_,
          .best_epoch = position_.best_epoch};
}

}  // namespace rtdetr
