#include "train/loop/run_cost.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "train/process/machine.h"
#include "train/report/model_rows.h"

namespace rtdetr {
namespace {

std::string megabytes(double mib) { return with_thousands(static_cast<long long>(mib + 0.5)) + " MiB"; }

}  // namespace

RunCost measure_run_cost(Experiment& experiment) {
  constexpr std::uintmax_t kMiB = 1 << 20;
  Settings& settings = experiment.settings;
  RunCost cost;
  const std::vector<std::int64_t> sides = training_transforms(experiment).multi_scale;
  if (!sides.empty()) cost.largest_side = *std::max_element(sides.begin(), sides.end());
  {
    Trial trial(experiment);
    constexpr double kLong = 5;
    if (const double cold = trial.step(cost.largest_side); cold > kLong)
      log::info("a trial step took " + format_duration(cold) + "; two or three more follow");
    const double first = trial.step(), second = trial.step();
    cost.step_seconds = std::min(first, second);
    if (experiment.device.is_cpu()) cost.threads = try_fewer_threads(trial, settings, std::min(first, second));
    cost.checkpoint_mib = static_cast<std::int64_t>(trial.state_bytes() / kMiB + 1);
  }
  cost.peak_mib = peak_memory_mib();
  cost.device_peak_mib = device_peak_mib(experiment.device);
  cost.length = expected_length(settings, experiment.steps_per_epoch(), cost.step_seconds);
  cost.fitted = fit_to_length(settings, cost.length);
  experiment.fitted = set_fitted(cost.fitted, settings);
  return cost;
}

std::string describe(const RunCost& cost, const Experiment& experiment) {
  const auto line = [](const std::string& name, const std::string& value) { return "\n  " + name + value; };
  const auto steps = static_cast<double>(experiment.steps_per_epoch());
  std::string text = "three trial steps";
  text += line("step       ", fixed(cost.step_seconds, 3) + " s, " +
                                  fixed(static_cast<double>(experiment.pictures_per_step()) / cost.step_seconds, 1) +
                                  " pictures a second, read in one thread");
  text += line("epoch      ", format_duration(steps * cost.step_seconds) + ", validation not counted");
  const double seconds = cost.length.by_clock ? experiment.settings.time * 3600 : cost.length.steps * cost.step_seconds;
  text += line("run        ", format_duration(seconds) + " for " + (cost.length.by_clock ? "about " : "") +
                                  counted(cost.steps(), "step"));
  std::string memory = megabytes(cost.peak_mib);
  if (cost.device_peak_mib) memory += ", and " + megabytes(*cost.device_peak_mib) + " on the GPU";
  if (cost.largest_side > 0) {
    memory += ", with pictures of " + std::to_string(cost.largest_side) + " pixels, the largest of multi_scale";
  }
  if (experiment.settings.cache_mib > 0) {
    memory += ", and up to " + std::to_string(experiment.settings.cache_mib) + " MiB of decoded pictures (cache_mib)";
  }
  text += line("memory     ", memory);
  if (const std::string advice = advise(cost.threads, experiment.pictures_per_step()); !advice.empty()) {
    text += line("threads    ", advice);
  }
  if (!cost.fitted.empty()) text += line("settings   ", describe(cost.fitted, cost.length));
  const bool with_best = experiment.settings.last_stage != 1;
  return text + line("disk       ", (with_best ? "4 x " : "3 x ") +
                                        megabytes(static_cast<double>(cost.checkpoint_mib)) + " for last, last-1" +
                                        (with_best ? ", best-state" : "") + " and the one being written");
}

nlohmann::ordered_json to_json(const RunCost& cost, const Experiment& experiment) {
  nlohmann::ordered_json document = {{"rows", rows_json(experiment.model->rows())},
                                     {"pictures", experiment.train.pictures.size()},
                                     {"boxes", experiment.train.boxes.size()},
                                     {"names", experiment.train.classes.names},
                                     {"val_pictures", experiment.val ? experiment.val->pictures.size() : 0},
                                     {"imgsz", {experiment.size.height, experiment.size.width}},
                                     {"steps_per_epoch", experiment.steps_per_epoch()},
                                     {"steps", cost.steps()},
                                     {"fitted", experiment.fitted},
                                     {"step_seconds", cost.step_seconds},
                                     {"peak_mib", cost.peak_mib},
                                     {"checkpoint_mib", cost.checkpoint_mib}};
  if (cost.device_peak_mib) document["device_peak_mib"] = *cost.device_peak_mib;
  return document;
}

}  // namespace rtdetr
