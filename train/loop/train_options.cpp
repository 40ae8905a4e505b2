#include "train/loop/train_options.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "models/layers/module_tree.h"
#include "train/config/run_length.h"
#include "train/loop/experiment.h"
#include "train/process/machine.h"

namespace rtdetr {
namespace {

/// With time= alone the clock decides; epochs= counts as well when it was said.
BudgetOptions budget_options(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  const auto& fitted = experiment.fitted;
  const bool counts_epochs = settings.time <= 0 || settings.is_given("epochs");
  const bool paced = settings.time > 0 && (fitted.contains("val_steps") || fitted.contains("val_every"));
  LrSchedule schedule = lr_schedule(settings);
  if (settings.time > 0 && fitted.contains("warmup_steps")) schedule.warmup_share = kWarmUpShare;
  return {.epochs = counts_epochs ? settings.epochs : 0,
          .hours = settings.time,
          .patience = settings.val ? settings.patience : 0,
          .val_every = settings.val_every,
          .val_steps = settings.val_steps,
          .val_share = paced ? 1 / kValidationsByClock : 0,
          .schedule = schedule};
}

}  // namespace

std::pair<DetectionModel, DetectionModel> build_with_average(const ModelSpec& spec, const BuildOptions& options) {
  DetectionModel model = build_model(spec, options), average = build_model(spec, options);
  for (DetectionModel* instance : {&model, &average}) to_channels_last(**instance);
  for (torch::Tensor& parameter : average->parameters()) parameter.set_requires_grad(false);
  return {model, average};
}

TrainInput train_input(const ModelSpec& spec, const Dataset& train, const Dataset* val, BuildOptions build,
                       const GroupDefaults& groups) {
  build.num_classes = static_cast<std::int64_t>(train.classes.names.size());
  const auto [model, average] = build_with_average(spec, build);
  return {.model = model,
          .average = average,
          .groups = group_by_shape(trainable_parameters(*model), groups),
          .train = &train,
          .val = val};
}

TrainOptions train_options(const TrainInput& input, const ImageSize& size, std::int64_t batch, std::uint64_t seed) {
  const CriterionOptions criterion = published_criterion(input.model->head().criteria().front());
  const torch::Device device = input.model->parameters().front().device();
  TrainOptions options{
      .step = {.device = device, .seed = seed, .criterion = criterion},
      .lr0 = input.groups.back().lr,
      .loader = {.batch_size = std::min(batch, static_cast<std::int64_t>(input.train->pictures.size())), .seed = seed},
      .evaluation = {.height = size.height,
                     .width = size.width,
                     .batch = batch,
                     .device = device,
                     .threads = at::get_num_threads(),
                     .criterion = criterion}};
  options.transforms.height = size.height;
  options.transforms.width = size.width;
  options.transforms.stride = input.model->stride();
  return options;
}

WindowOptions window_options(const Settings& settings) {
  return {.strong_from = settings.strong_from,
          .strong_until = settings.strong_until,
          .mosaic_from = settings.mosaic_from,
          .mosaic_until = settings.mosaic_until,
          .multi_scale_until = settings.multi_scale_until};
}

TrainInput train_input(const Experiment& experiment) {
  return {.model = experiment.model,
          .average = experiment.average,
          .groups = experiment.groups,
          .train = &experiment.train,
          .val = experiment.val ? &*experiment.val : nullptr};
}

TrainOptions train_options(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  OptimizerOptions optimizer = optimizer_options(settings);
  optimizer.muon.bfloat16 = experiment.precision.precision == Precision::kBFloat16;
  return {.budget = budget_options(experiment),
          .accumulate = settings.accumulate,
          .step = {.clip_norm = settings.clip_norm,
                   .precision = experiment.precision.precision,
                   .device = experiment.device,
                   .seed = static_cast<std::uint64_t>(settings.seed),
                   .sync_bn = settings.sync_bn,
                   .criterion = criterion_options(settings)},
          .optimizer = optimizer,
          .ema = ema_options(settings),
          .lr0 = settings.lr0,
          .freeze = frozen_names(experiment),
          .transforms = training_transforms(experiment),
          .loader = training_loader_options(experiment),
          .windows = window_options(settings),
          .last_stage = {.from = settings.last_stage, .retry = settings.last_stage_retry},
          .evaluation = evaluator_options(experiment),
          .save = {.save_every = settings.save_every,
                   .save_steps = settings.save_steps,
                   .save_period = settings.save_period,
                   .check_space = settings.check_space},
          .command = command_line(),
          .facts = {.identity = experiment.identity,
                    .fitted = experiment.fitted,
                    .lifted_time = experiment.lifted_time,
                    .settings = experiment.told}};
}

}  // namespace rtdetr
