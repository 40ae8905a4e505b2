#include "train/plan.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/io/text.h"
#include "train/clock.h"
#include "train/freeze.h"
#include "train/machine.h"
#include "train/model_rows.h"
#include "train/output.h"
#include "train/trainer.h"

namespace rtdetr {
namespace {

/// One optimizer step's batches, read and transformed in this thread.
std::vector<Batch> trial_batches(const Experiment& experiment, std::int64_t side) {
  TransformOptions transforms = training_transforms(experiment.settings, experiment.size);
  transforms.multi_scale.clear();
  if (side > 0) transforms.multi_scale = {side};
  LoaderOptions options = training_loader_options(experiment);
  options.threads = 0;
  Loader loader(experiment.train, transforms, options);
  loader.start(0);
  std::vector<Batch> batches;
  const std::int64_t count = std::min(experiment.settings.accumulate, experiment.batches_per_epoch());
  for (std::int64_t i = 0; i < count; ++i) batches.push_back(loader.next().value());
  return batches;
}

std::string megabytes(double mib) { return with_thousands(static_cast<long long>(mib + 0.5)) + " MiB"; }

}  // namespace

Plan make_plan(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  experiment.model->train();
  if (!settings.freeze.empty()) hold_frozen_statistics(*experiment.model, settings.freeze);
  AdamW optimizer(experiment.groups);
  Ema ema(*experiment.model, *experiment.average);
  TrainStep step(experiment.model, optimizer, ema, step_options(experiment));
  StateRegistry state;
  state.add_module("model.", *experiment.model);
  optimizer.register_state(state);
  ema.register_state(state);

  Plan plan;
  const auto sides = multi_scale_sides(std::max(experiment.size.height, experiment.size.width), settings.multi_scale);
  if (!sides.empty()) plan.largest_side = *std::max_element(sides.begin(), sides.end());
  step.run(trial_batches(experiment, plan.largest_side), {}, 0);
  const double begin = seconds_now();
  for (const int trial : {1, 2}) step.run(trial_batches(experiment, 0), {.first_batch = trial}, 0);
  plan.step_seconds = (seconds_now() - begin) / 2;
  plan.peak_mib = peak_memory_mib();
  constexpr std::uintmax_t kMiB = 1 << 20;
  plan.checkpoint_mib = static_cast<std::int64_t>(bytes_of(state.capture()) / kMiB + 1);
  if (settings.time <= 0) plan.steps = experiment.steps_per_epoch() * settings.epochs;
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
  if (plan.steps > 0) {
    text += line("run        ", format_duration(static_cast<double>(plan.steps) * plan.step_seconds) + " for " +
                                    with_thousands(plan.steps) + " steps");
  }
  std::string memory = megabytes(plan.peak_mib);
  if (plan.largest_side > 0) {
    memory += ", with pictures of " + std::to_string(plan.largest_side) + " pixels, the largest of multi_scale";
  }
  if (experiment.settings.cache_mib > 0) {
    memory += ", and up to " + std::to_string(experiment.settings.cache_mib) + " MiB of decoded pictures (cache_mib)";
  }
  text += line("memory     ", memory);
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
          {"steps", plan.steps},
          {"step_seconds", plan.step_seconds},
          {"peak_mib", plan.peak_mib},
          {"checkpoint_mib", plan.checkpoint_mib}};
}

}  // namespace rtdetr
