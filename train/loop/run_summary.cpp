#include "train/loop/run_summary.h"

#include <algorithm>
#include <cmath>

#include "core/base/log.h"
#include "core/base/text.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

std::string describe(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  const auto line = [](const std::string& name, const std::string& value) { return "\n  " + name + value; };
  std::string text = "training";
  text +=
      line("model      ", experiment.model->spec().name + ", " + with_thousands(count_parameters(*experiment.model)) +
                              " parameters, " + counted(experiment.model->num_decoder_layers(), "decoder layer"));
  const auto& pictures = experiment.train.pictures;
  const auto empty = std::count_if(pictures.begin(), pictures.end(), [](const auto& p) { return p.box_count == 0; });
  text += line("data       ", counted(static_cast<long long>(pictures.size()), "picture") +
                                  (empty > 0 ? " (" + with_thousands(empty) + " without a box), " : ", ") +
                                  with_thousands(static_cast<long long>(experiment.train.boxes.size())) + " boxes, " +
                                  std::to_string(experiment.train.classes.names.size()) + " classes (" +
                                  experiment.train.name + ")");
  if (experiment.val) {
    text += line("validation ", counted(static_cast<long long>(experiment.val->pictures.size()), "picture") + " (" +
                                    experiment.val->name + ")");
  }
  text += line("input      ", std::to_string(experiment.size.height) + " x " + std::to_string(experiment.size.width) +
                                  (settings.fit == "stretch" ? "" : " (" + settings.fit + ")") + ", batch " +
                                  std::to_string(training_loader_options(experiment).batch_size) +
                                  (settings.accumulate > 1 ? " x " + std::to_string(settings.accumulate) : ""));
  text += line("length     ", (settings.time > 0 ? format_duration(settings.time * 3600) + " of training"
                                                 : counted(settings.epochs, "epoch")) +
                                  ", " + counted(experiment.steps_per_epoch(), "step") + " each epoch");
  if (experiment.frozen > 0) {
    text += line("frozen     ", with_thousands(experiment.frozen) + " parameters: " + settings.freeze);
  }
  for (const ParameterGroup& group : experiment.groups) {
    text += line("optimizer  ", std::to_string(group.parameters.size()) + " tensors, lr " + format_short(group.lr) +
                                    (group.warmup_lr > 0 ? " from " + format_short(group.warmup_lr) : "") +
                                    ", weight decay " + format_double(group.weight_decay) + ": " + group.label);
  }
  if (!experiment.device.is_cpu()) text += line("device     ", experiment.device.str());
  return text + line("precision  ", experiment.precision.reason);
}

void warn_about_short_run(const Experiment& experiment, const RunLength& length) {
  const Settings& settings = experiment.settings;
  const std::int64_t steps = std::llround(length.steps);
  const std::string about = length.by_clock ? "about " : "";
  if (settings.warmup_steps > 1 && steps <= settings.warmup_steps) {
    log::warning("the run has " + about + counted(steps, "step") + " and its warm-up takes " +
                 std::to_string(settings.warmup_steps) + ": the learning rate never reaches lr0; give warmup_steps=" +
                 std::to_string(std::max<std::int64_t>(1, steps / 20)));
  }
  if (length.by_clock && length.epochs < 1) {
    log::warning("the time allows " + about + counted(steps, "step") + " of the " +
                 std::to_string(experiment.steps_per_epoch()) +
                 " that see each picture once; a longer time=, a smaller imgsz= or a smaller model helps");
  }
  constexpr std::int64_t kFewSteps = 1000;  // the demo's small model needs about as many
  if (steps < kFewSteps && settings.weights.empty()) {
    log::warning("a model trained from scratch learns little in " + about + counted(steps, "step") + "; more " +
                 (length.by_clock ? "time" : "epochs") + "=, a smaller batch=, or weights= to start from");
  }
}

}  // namespace rtdetr
