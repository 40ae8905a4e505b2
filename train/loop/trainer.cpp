#include "train/loop/trainer.h"

#include <algorithm>
#include <cmath>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "models/weights/checkpoint.h"
#include "train/loop/run_start.h"
#include "train/optim/freeze.h"
#include "train/process/machine.h"
#include "train/report/detection_report.h"
#include "train/report/output.h"
#include "train/report/run_pictures.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kMostTerms = 256;

}  // namespace

StepOptions step_options(const Experiment& experiment) {
  return {.clip_norm = experiment.settings.clip_norm,
          .precision = experiment.precision.precision,
          .seed = static_cast<std::uint64_t>(experiment.settings.seed),
          .criterion = criterion_options(experiment.settings)};
}

Trainer::Trainer(Experiment& experiment, const RunFolder& folder, std::function<bool()> stop_requested)
    : experiment_(experiment),
      settings_(experiment.settings),
      folder_(folder),
      optimizer_(experiment.groups, adamw_options(settings_)),
      ema_(*experiment.model, *experiment.average, ema_options(settings_)),
      schedule_(lr_schedule(settings_)),
      step_(experiment.model, optimizer_, ema_, step_options(experiment)),
      saver_(folder),
      stop_requested_(std::move(stop_requested)),
      loss_sums_(torch::zeros({kMostTerms}, torch::kFloat64)) {
  experiment_.model->train();
  if (!settings_.freeze.empty()) hold_frozen_statistics(*experiment_.model, settings_.freeze);
  state_.add_module("model.", *experiment.model);
  optimizer_.register_state(state_);
  ema_.register_state(state_);
  skips_.register_state(state_);
  state_.add("run.epoch", &epoch_);
  state_.add("run.next_batch", &next_batch_);
  state_.add("run.steps", &steps_);
  state_.add("run.strong_off", &strong_off_);
  state_.add("run.multi_scale_off", &multi_scale_off_);
  state_.add("run.best_epoch", &best_epoch_);
  state_.add("run.best_ap", &best_ap_);
  state_.add("run.loss_sums", loss_sums_);
  state_.add("run.loss_steps", &loss_steps_);
}

void Trainer::resume(const RunCheckpoint& checkpoint) {
  state_.restore(checkpoint.state, checkpoint.file.string());
  saver_.begin_with(checkpoint.file, steps_);
  train_seconds_ = last_save_ = checkpoint.facts.train_seconds;
  last_saved_step_ = steps_;
  validated_step_ = checkpoint.facts.validated_step;
  confidence_ = checkpoint.best_confidence;
  if (!checkpoint.facts.loss_terms.empty()) loss_terms_ = split(checkpoint.facts.loss_terms, ',');
  resumed_ = true;
  log::info("continuing " + checkpoint.file.string() + " in epoch " + std::to_string(epoch_ + 1) + " at batch " +
            std::to_string(next_batch_) + ", " + counted(steps_, "step") + " done");
  if (finished()) return;
  warn_of_higher_rate({checkpoint.facts.lr_factor, lr_factor(), strong_off_ >= 0}, settings_, folder_);
}

RunOutcome Trainer::fit() {
  if (finished()) return outcome(RunOutcome::End::kAlreadyFinished);
  open_log();
  if (settings_.check_space) require_space(folder_, state_.capture());
  while (!finished()) {
    begin_epoch();
    while (!epoch_is_over()) {
      if (!validate_inside_epoch()) return stop();
      train_one_step();
      if (stop_requested_()) return stop();
      if (save_is_due()) save_on_the_way();
    }
    if (!end_epoch()) return stop();
  }
  return outcome(RunOutcome::End::kFinished);
}

bool Trainer::finished() const {
  const bool between_epochs = next_batch_ == 0;
  const bool hopeless = settings_.patience > 0 && best_epoch_ >= 0 && epoch_ - 1 - best_epoch_ >= settings_.patience;
  return between_epochs && (out_of_epochs() || out_of_time() || hopeless);
}

void Trainer::open_log() {
  const LogPosition position{.epoch = epoch_, .batch = next_batch_, .validated_step = validated_step_};
  log_ = resumed_ ? std::make_unique<RunLog>(folder_, position) : std::make_unique<RunLog>(folder_);
  log_->write(resumed_ ? "continue" : "start", {{"version", RTDETR_VERSION},
                                                {"command", command_line()},
                                                {"seed", settings_.seed},
                                                {"steps_done", steps_},
                                                {"precision", precision_name(experiment_.precision.precision)},
                                                {"fitted", experiment_.fitted}});
}

void Trainer::begin_epoch() {
  switch_augmentation_off();
  loader_->start(epoch_, next_batch_);
}

/// Strong augmentation and multi-scale end with an epoch; the loader goes on with other transforms. A run that is
/// continued inside an epoch keeps what was decided at that epoch's start.
void Trainer::switch_augmentation_off() {
  const bool at_start = next_batch_ == 0;
  const bool strong = at_start && strong_off_ < 0 && switch_off_reached(settings_.strong_until, epoch_, progress());
  const bool scale =
      at_start && multi_scale_off_ < 0 && switch_off_reached(settings_.multi_scale_until, epoch_, progress());
  if (strong) strong_off_ = epoch_;
  if (scale) multi_scale_off_ = epoch_;
  if (strong) log::info("strong augmentation is off from epoch " + std::to_string(epoch_ + 1) + " on");
  if (scale) log::info("multi-scale is off from epoch " + std::to_string(epoch_ + 1) + " on");
  if (loader_ && !strong && !scale) return;
  TransformOptions transforms = training_transforms(experiment_);
  transforms.strong_until_epoch = strong_off_;
  transforms.mosaic_until_epoch = strong_off_;
  transforms.multi_scale_until_epoch = multi_scale_off_;
  if (loader_) {
    loader_->set_transforms(transforms);
  } else {
    loader_ = std::make_unique<Loader>(experiment_.train, transforms, training_loader_options(experiment_));
  }
}

bool Trainer::epoch_is_over() const { return next_batch_ >= experiment_.batches_per_epoch() || out_of_time(); }

void Trainer::train_one_step() {
  const double begin = seconds_now();
  double wait = 0;
  const std::vector<Batch> batches = next_batches(wait);
  draw_first_batches(batches);
  const double factor = lr_factor();
  const StepReport report = step_.run(batches, {.epoch = epoch_, .first_batch = next_batch_}, factor);
  refuse_or_go_on(report, batches, factor);
  account(report, batches, factor);
  const double seconds = seconds_now() - begin;
  train_seconds_ += seconds;
  show_progress(report, batches, seconds, wait);
}

void Trainer::draw_first_batches(const std::vector<Batch>& batches) {
  constexpr std::int64_t kDrawn = 3;
  if (!settings_.plots || epoch_ > 0) return;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const std::int64_t index = next_batch_ + static_cast<std::int64_t>(i);
    if (index >= kDrawn) return;
    const std::string name = "train_batch" + std::to_string(index) + ".jpg";
    draw_or_warn([&] { write_batch_picture(batches[i], experiment_.train.classes, folder_.path() / name); });
  }
}

std::vector<Batch> Trainer::next_batches(double& wait_seconds) {
  const std::int64_t left = experiment_.batches_per_epoch() - next_batch_;
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < std::min(settings_.accumulate, left); ++i) {
    std::optional<Batch> batch = loader_->next();
    RTDETR_CHECK(batch.has_value(), "the loader's epoch is shorter than it said");
    wait_seconds += loader_->last_wait();
    batches.push_back(std::move(*batch));
  }
  return batches;
}

void Trainer::account(const StepReport& report, const std::vector<Batch>& batches, double lr_factor) {
  log_->write("step", {{"epoch", epoch_},
                       {"batch", next_batch_},
                       {"loss", report.loss},
                       {"norm", report.gradient_norm},
                       {"lr", lr_factor * settings_.lr0},
                       {"applied", report.applied}});
  next_batch_ += static_cast<std::int64_t>(batches.size());
  if (!report.applied) return;
  ++steps_;
  if (loss_terms_.empty()) {
    for (const auto& [name, value] : report.terms) loss_terms_.push_back(name);
    RTDETR_CHECK(loss_terms_.size() < kMostTerms, "more loss terms than the record holds");
  }
  double* sums = loss_sums_.data_ptr<double>();
  sums[0] += report.loss;
  for (std::size_t i = 0; i < report.terms.size(); ++i) sums[i + 1] += report.terms[i].second;
  ++loss_steps_;
}

void Trainer::refuse_or_go_on(const StepReport& report, const std::vector<Batch>& batches, double lr_factor) {
  const std::string verdict = skips_.note(report.applied);
  if (report.applied) return;
  const std::string text = describe_refused(report, lr_factor * settings_.lr0, batches, experiment_.train);
  log::warning(text);
  if (verdict.empty()) return;
  log_->write("diverged", {{"epoch", epoch_}, {"batch", next_batch_}, {"reason", verdict}, {"last", text}});
  throw DivergedError(verdict + "; " + text + "; a lower lr0=, a longer warmup_steps= or amp=off may help");
}

void Trainer::show_progress(const StepReport& report, const std::vector<Batch>& batches, double seconds, double wait) {
  ProgressPoint point{.epoch = epoch_,
                      .epochs = settings_.time > 0 ? 0 : settings_.epochs,
                      .step = (next_batch_ + settings_.accumulate - 1) / settings_.accumulate,
                      .steps = experiment_.steps_per_epoch(),
                      .loss = report.loss,
                      .terms = report.terms,
                      .step_seconds = seconds,
                      .wait_seconds = wait};
  for (const Batch& batch : batches) point.pictures += batch.size;
  point.remaining_steps = static_cast<double>((settings_.epochs - epoch_) * experiment_.steps_per_epoch() - point.step);
  if (settings_.time > 0) point.remaining_seconds = std::max(0.0, settings_.time * 3600 - train_seconds_);
  line_.show(point);
}

bool Trainer::end_epoch() {
  line_.end();
  std::optional<Evaluation> evaluation;
  const bool last = out_of_time() || epoch_ + 1 >= settings_.epochs;
  const bool due = settings_.val_steps > 0 ? steps_are_due() : (epoch_ + 1) % settings_.val_every == 0;
  if (experiment_.val && (last || due)) {
    evaluation = validate(/*inside=*/false);
    if (!evaluation) return false;
  }
  record(epoch_so_far(evaluation ? &*evaluation : nullptr, /*inside=*/false));
  if (settings_.save_period > 0 && (epoch_ + 1) % settings_.save_period == 0) {
    save_epoch_weights();
  }
  ++epoch_;
  next_batch_ = 0;
  loss_sums_.zero_();
  loss_steps_ = 0;
  if (!experiment_.val && finished()) keep_best();
  finished() ? saver_.save(run_state(), *log_) : save_on_the_way();
  return true;
}

/// What was validated is saved at once: a run of few validations does not go far back for one.
bool Trainer::validate_inside_epoch() {
  if (!experiment_.val || next_batch_ == 0 || settings_.val_steps == 0 || !steps_are_due()) return true;
  line_.end();
  const auto evaluation = validate(/*inside=*/true);
  if (!evaluation) return false;
  record(epoch_so_far(&*evaluation, /*inside=*/true));
  save_on_the_way();
  return true;
}

/// A step that was refused makes no second validation of the same weights.
bool Trainer::steps_are_due() const { return steps_ % settings_.val_steps == 0 && steps_ != validated_step_; }

std::optional<Evaluation> Trainer::validate(bool inside) {
  auto evaluation = evaluate(experiment_.average, *experiment_.val, evaluator_options(experiment_), stop_requested_);
  if (!evaluation) return std::nullopt;
  confidence_ = best_confidence(*evaluation, *experiment_.val);
  validated_step_ = steps_;
  log::info(describe_validation(epoch_so_far(&*evaluation, inside)));
  keep_if_best(*evaluation);
  return evaluation;
}

void Trainer::keep_if_best(const Evaluation& evaluation) {
  const double ap = evaluation.last().stats[0];
  if (best_epoch_ >= 0 && ap <= best_ap_) return;
  best_ap_ = ap;
  best_epoch_ = epoch_;
  keep_best();
}

EpochRecord Trainer::epoch_so_far(const Evaluation* evaluation, bool inside) const {
  EpochRecord record{.epoch = epoch_,
                     .inside = inside,
                     .run_steps = steps_,
                     .in_steps = settings_.val_steps > 0,
                     .train_seconds = train_seconds_,
                     .evaluation = evaluation,
                     .layers = experiment_.model->head().layers(),
                     .steps = loss_steps_};
  const double* sums = loss_sums_.const_data_ptr<double>();
  const auto mean = [&](std::size_t i) {
    return loss_steps_ > 0 ? sums[i] / static_cast<double>(loss_steps_) : std::nan("");
  };
  record.losses.emplace_back("loss", mean(0));
  for (std::size_t i = 0; i < loss_terms_.size(); ++i) record.losses.emplace_back(loss_terms_[i], mean(i + 1));
  for (const ParameterGroup& group : optimizer_.groups()) record.rates.push_back(group.lr * lr_factor());
  return record;
}

void Trainer::record(const EpochRecord& record) {
  record_results(record, *log_);
  if (!settings_.plots) return;
  draw_or_warn([&] { write_results_picture(folder_.path() / "results.csv", folder_.path() / "results.png"); });
}

RunState Trainer::run_state() const {
  return {.tensors = state_.capture(),
          .facts = {.identity = experiment_.identity,
                    .train_seconds = train_seconds_,
                    .loss_terms = join(loss_terms_, ","),
                    .precision = precision_name(experiment_.precision.precision),
                    .fitted = experiment_.fitted,
                    .time = settings_.time,
                    .epochs = counts_epochs() ? settings_.epochs : 0,
                    .lifted_time = experiment_.lifted_time,
                    .lr_factor = lr_factor(),
                    .settings = experiment_.told,
                    .validated_step = validated_step_},
          .model_metadata = to_metadata(model_info()),
          .step = steps_};
}

/// Between two steps; a save that fails may be made up for by the next.
void Trainer::save_on_the_way() {
  const double begin = seconds_now();
  saver_.try_to_save(run_state(), *log_);
  last_save_ = train_seconds_;
  last_saved_step_ = steps_;
  log::debug("saved after " + std::to_string(steps_) + " steps in " + format_double(seconds_now() - begin) + " s");
}

RunOutcome Trainer::stop() {
  line_.end();
  saver_.save(run_state(), *log_);
  log_->write("stop", {{"steps_done", steps_}});
  return outcome(RunOutcome::End::kStopped);
}

RunOutcome Trainer::outcome(RunOutcome::End end) const {
  return {.end = end,
          .epochs = epoch_,
          .steps = steps_,
          .skipped = skips_.skipped(),
          .train_seconds = train_seconds_,
          .best_ap = best_ap_,
          .best_epoch = best_epoch_};
}

/// What a file with this run's weights says about them.
ModelInfo Trainer::model_info() const {
  ModelInfo info;
  info.names = experiment_.train.classes.names;
  info.category_ids = experiment_.train.classes.category_ids;
  info.height = experiment_.size.height;
  info.width = experiment_.size.width;
  info.step = steps_;
  info.epoch = epoch_;
  info.best_confidence = confidence_;
  return describe_model(experiment_.average, std::move(info));
}

void Trainer::keep_best() {
  require_finite(state_.capture());
  saver_.keep_best(experiment_.average, model_info());
}

void Trainer::save_epoch_weights() {
  const std::string name = "epoch-" + std::to_string(epoch_ + 1) + ".safetensors";
  require_finite(state_.capture());
  try {
    save_model(folder_.path() / name, experiment_.average, model_info());
  } catch (const IoError& error) {
    log::warning(error.what());
  }
}

bool Trainer::save_is_due() const {
  return (settings_.save_every > 0 && train_seconds_ - last_save_ >= settings_.save_every) ||
         (settings_.save_steps > 0 && steps_ - last_saved_step_ >= settings_.save_steps);
}

bool Trainer::out_of_time() const { return settings_.time > 0 && train_seconds_ >= settings_.time * 3600; }

/// With time= alone the clock decides; epochs= counts as well when it was said.
bool Trainer::counts_epochs() const { return settings_.time <= 0 || settings_.is_given("epochs"); }

bool Trainer::out_of_epochs() const { return counts_epochs() && epoch_ >= settings_.epochs; }

double Trainer::progress() const {
  const double epochs = static_cast<double>(epoch_) +
                        static_cast<double>(next_batch_) / static_cast<double>(experiment_.batches_per_epoch());
  const double by_epochs = epochs / static_cast<double>(settings_.epochs);
  if (settings_.time <= 0) return std::min(1.0, by_epochs);
  const double by_time = train_seconds_ / (settings_.time * 3600);
  return std::min(1.0, settings_.is_given("epochs") ? std::max(by_epochs, by_time) : by_time);
}

double Trainer::lr_factor() const {
  return schedule_.factor({.step = steps_, .epoch = epoch_, .progress = progress()});
}

}  // namespace rtdetr
