#include "train/plan.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "core/io/text.h"
#include "train/machine.h"
#include "train/model_rows.h"
#include "train/output.h"

namespace rtdetr {
namespace {

std::string megabytes(double mib) { return with_thousands(static_cast<long long>(mib + 0.5)) + " MiB"; }

}  // namespace

Plan make_plan(Experiment& experiment) {
  constexpr std::uintmax_t kMiB = 1 << 20;
  Settings& settings = experiment.settings;
  Plan plan;
  const auto sides = multi_scale_sides(std::max(experiment.size.height, experiment.size.width), settings.multi_scale);
  if (!sides.empty()) plan.largest_side = *std::max_element(sides.begin(), sides.end());
  {
    Trial trial(experiment);
    trial.step(plan.largest_side);
    const double first = trial.step(), second = trial.step();
    plan.step_seconds = (first + second) / 2;
    plan.threads = try_fewer_threads(trial, settings, std::min(first, second));
    plan.checkpoint_mib = static_cast<std::int64_t>(trial.state_bytes() / kMiB + 1);
  }
  plan.peak_mib = peak_memory_mib();
  plan.length = expected_length(settings, experiment.steps_per_epoch(), plan.step_seconds);
  plan.fitted = fit_to_length(settings, plan.length);
  experiment.fitted = set_fitted(plan.fitted, settings);
  return plan;
}

std::string describe(const Plan& plan, const Experiment& experiment) {
  const auto line = [](const std::string& name, const std::string& value) { return "\n  " + name + value; };
  const auto steps = static_cast<double>(experiment.steps_per_epoch());
  std::string text = "three trial steps";
  text += line(
      "step       ",
      fixed(plan.step_seconds, 3) + " s, " +
          fixed(static_cast<double>(experiment.settings.batch * experiment.settings.accumulate) / plan.step_seconds,
                1) +
          " pictures a second, read in one thread");
  text += line("epoch      ", format_duration(steps * plan.step_seconds) + ", validation not counted");
  const double seconds = plan.length.by_clock ? experiment.settings.time * 3600 : plan.length.steps * plan.step_seconds;
  text += line("run        ", format_duration(seconds) + " for " + (plan.length.by_clock ? "about " : "") +
                                  counted(plan.steps(), "step"));
  std::string memory = megabytes(plan.peak_mib);
  if (plan.largest_side > 0) {
    memory += ", with pictures of " + std::to_string(plan.largest_side) + " pixels, the largest of multi_scale";
  }
  if (experiment.settings.cache_mib > 0) {
    memory += ", and up to " + std::to_string(experiment.settings.cache_mib) + " MiB of decoded pictures (cache_mib)";
  }
  text += line("memory     ", memory);
  if (const std::string advice = advise(plan.threads, experiment.settings.batch * experiment.settings.accumulate);
      !advice.empty()) {
    text += line("threads    ", advice);
  }
  if (!plan.fitted.empty()) text += line("settings   ", describe(plan.fitted, plan.length));
  return text + line("disk       ", "3 x " + megabytes(static_cast<double>(plan.checkpoint_mib)) +
                                        " for last, last-1 and the one being written");
}

nlohmann::ordered_json to_json(const Plan& plan, const Experiment& experiment) {
  return {{"rows", rows_json(experiment.model->rows())},
          {"pictures", experiment.train.pictures.size()},
          {"boxes", experiment.train.boxes.size()},
          {"names", experiment.train.classes.names},
          {"val_pictures", experiment.val ? experiment.val->pictures.size() : 0},
          {"imgsz", {experiment.size.height, experiment.size.width}},
          {"steps_per_epoch", experiment.steps_per_epoch()},
          {"steps", plan.steps()},
          {"fitted", experiment.fitted},
          {"step_seconds", plan.step_seconds},
          {"peak_mib", plan.peak_mib},
          {"checkpoint_mib", plan.checkpoint_mib}};
}

}  // namespace rtdetr
