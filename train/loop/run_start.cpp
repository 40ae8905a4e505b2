#include "train/loop/run_start.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/base/log.h"
#include "core/base/text.h"
#include "train/config/keys.h"
#include "train/loop/run_identity.h"
#include "train/loop/trial.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

/// The time was used up, and since then epochs= was said or made larger: nothing else can be meant by it. The same
/// command once more is a finished run.
bool outlives_its_time(const Settings& settings, const RunFacts& facts) {
  if (settings.time <= 0) return false;
  if (settings.time == facts.lifted_time) return true;
  return settings.time == facts.time && facts.train_seconds >= settings.time * 3600 && settings.is_given("epochs") &&
         settings.epochs > facts.epochs;
}

void lift_time(Experiment& experiment, const RunFacts& facts) {
  Settings& settings = experiment.settings;
  if (facts.lifted_time == 0) {
    log::info("the run's " + format_duration(settings.time * 3600) + " (time=" + format_double(settings.time) +
              ") are used up; it goes on by epochs=" + std::to_string(settings.epochs) + " alone");
  }
  experiment.lifted_time = settings.time;
  settings.time = 0;
}

/// The steps between two validations grow with the run's time.
std::string of_this_time(const std::string& val_steps, const Settings& settings, const RunFacts& facts) {
  const double longer = facts.time > 0 ? settings.time / facts.time : 1;
  return std::to_string(std::max<std::int64_t>(1, std::llround(longer * parse_double(val_steps).value_or(1))));
}

/// By epochs= alone, only the warm-up is still the one that the run began with.
void keep_fitted(Experiment& experiment, const RunFacts& facts) {
  Settings& settings = experiment.settings;
  for (const auto& [key, value] : facts.fitted) {
    const bool in_steps = key == "val_steps";
    const bool typed = is_typed(settings, key) || (in_steps && is_typed(settings, "val_every"));
    const bool counts = settings.time > 0 ? !typed : key == "warmup_steps";
    if (counts) experiment.fitted[key] = in_steps ? of_this_time(value, settings, facts) : value;
  }
  set_fitted(experiment.fitted, settings);
  if (settings.time > 0) return;
  const RunLength length = expected_length(settings, experiment.steps_per_epoch(), 0);
  set_fitted(fit_to_length(settings, length), settings);
}

}  // namespace

RunLength fit_new_run(Experiment& experiment, ProcessGroup& group) {
  constexpr double kHour = 3600;
  Settings& settings = experiment.settings;
  share_precision(experiment.precision, group);
  if (settings.time > 0) log::info("trial steps, to fit the settings to time=" + format_double(settings.time));
  double step_seconds = settings.time > 0 ? measure_step(experiment, settings.time * kHour, group) : 0;
  group.all_reduce(std::span(&step_seconds, 1), Reduction::kMax);
  const RunLength length = expected_length(settings, experiment.steps_per_epoch(), step_seconds);
  const std::vector<FittedValue> fitted = fit_to_length(settings, length);
  experiment.fitted = set_fitted(fitted, settings);
  if (!fitted.empty()) log::info(describe(fitted, length));
  const std::vector<std::string> unreached = unreached_places(settings);
  if (!length.by_clock && is_typed(settings, "epochs") && !unreached.empty())
    log::warning("epochs=" + std::to_string(settings.epochs) + " ends the run before " + join(unreached, ", ") +
                 ", which count in epochs; give them to the run's length, or as shares of it, up to 1");
  return length;
}

void take_over(Experiment& experiment, const RunCheckpoint& checkpoint) {
  check_identity(completed(checkpoint.facts.identity), experiment.identity, checkpoint.file);
  experiment.precision = keep_precision(checkpoint.facts.precision, experiment.device);
  if (outlives_its_time(experiment.settings, checkpoint.facts)) lift_time(experiment, checkpoint.facts);
  keep_fitted(experiment, checkpoint.facts);
}

void go_on(Trainer& trainer, const RunCheckpoint& checkpoint, const Settings& settings, const RunFolder& folder) {
  trainer.resume(checkpoint);
  if (trainer.finished()) return;
  const double before = checkpoint.facts.lr_factor, now = trainer.lr_factor();
  if (before < 0 || now <= before) return;
  std::string text = "this run is made longer than it was: its learning rate goes up again, from " +
                     format_short(before * settings.lr0) + " to " + format_short(now * settings.lr0) +
                     (trainer.strong_augmentation_is_off() ? ", while strong augmentation stays off" : "") +
                     "; AP falls at first and may not come back. Better begin a new run with what it has learnt:\n  " +
                     "rtdetr train cfg=finetune model=" + shell_word(settings.model) +
                     " weights=" + shell_word(folder.best().string()) + " data=" + shell_word(settings.data);
  if (settings.imgsz.is_set()) text += " imgsz=" + value_text(*find_key("imgsz"), settings);
  log::warning(text);
}

}  // namespace rtdetr
