#include "train/loop/experiment.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <regex>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/image/resize.h"
#include "core/io/safetensors.h"
#include "models/graph/fitted_pictures.h"
#include "models/graph/model_files.h"
#include "models/graph/model_spec.h"
#include "models/weights/backbone_weights.h"
#include "models/weights/checkpoint.h"
#include "models/weights/pretrained.h"
#include "train/config/continued_run.h"
#include "train/config/input_files.h"
#include "train/loop/run_identity.h"
#include "train/loop/train_options.h"
#include "train/loop/transfer_table.h"
#include "train/optim/freeze.h"
#include "train/optim/layer_decay.h"
#include "train/optim/name_pattern.h"
#include "train/process/machine.h"

namespace rtdetr {
namespace {

void read_data(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  DatasetConfig config = load_dataset_config(settings.data);
  config.max_bad = settings.max_bad;
  config.limits.max_pixels = settings.max_pixels;
  experiment.train = load_dataset(config, "train");
  if (experiment.train.pictures.empty()) throw DataError(experiment.train.name + ": there is no picture to train on");
  if (settings.val && config.find("val") != nullptr) {
    experiment.val = load_dataset(config, "val", &experiment.train.classes);
  } else if (settings.val) {
    log::warning(settings.data +
                 " has no 'val': the run is not validated, and best.safetensors will be the last weights");
  }
}

/// model= is a YAML, or a model file that has one: who gives it says weights=, too, or continues a run whose checkpoint
/// it is (Parser::take_from_run).
ModelSpec spec_to_train(const Settings& settings) {
  const std::string& file = settings.model;
  if (std::filesystem::path(file).extension() != ".safetensors") return load_model_spec(file, settings.scale);
  return model_spec_of(to_model_info(SafetensorsReader(file).metadata(), file), file);
}

void begin_with_backbone(Experiment& experiment) {
  const std::string& file = experiment.settings.backbone_weights;
  require_input_file(experiment.settings, "backbone_weights", file);
  log::info(describe(take_backbone_weights(*experiment.model, file), file));
}

/// A run goes by its own keys alone, and the weights may have learnt from pictures in another form. What was said is
/// meant.
void warn_of_other_form(const Settings& settings, const std::optional<PictureForm>& trained) {
  if (!trained) return;
  std::vector<std::string> keys, here;
  const auto compare = [&](const std::string& key, const std::string& theirs, const std::string& ours) {
    if (theirs == ours || settings.is_given(key)) return;
    keys.push_back(key + "=" + theirs);
    here.push_back(key + "=" + ours);
  };
  compare("fit", word_of(trained->fit, kFitWords), settings.fit);
  compare("resample", word_of(trained->resampling, kResamplingWords), settings.resample);
  if (keys.empty()) return;
  log::warning("weights=" + settings.weights + " have learnt from pictures under " + join(keys, " ") +
               ", and this run has " + join(here, " ") + "; say " + join(keys, " ") + " to go on as they were trained");
}

void begin_with_weights(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  require_input_file(settings, "weights", settings.weights);
  const TransferReport report = take_weights(*experiment.model, experiment.train.classes.names, settings.weights,
                                             chosen("weights_parts", settings.weights_parts, kWeightsPartsWords));
  log::info("what the model begins with, by its entries:\n" + transfer_table(report, experiment.model));
  warn_of_other_form(settings, report.pictures);
}

}  // namespace

std::string frozen_names(const Experiment& experiment) {
  std::vector<std::string> rows;
  for (const DetectionModelImpl::Row& row : experiment.model->rows()) rows.push_back(join(row.places, "|"));
  return freeze_pattern(experiment.settings.freeze, rows);
}

namespace {

void build_models(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  const auto classes = static_cast<std::int64_t>(experiment.train.classes.names.size());
  if (settings.nc > 0 && settings.nc != classes) {
    throw ConfigError("nc=" + std::to_string(settings.nc) + settings.origin_of("nc") + ": " + experiment.train.name +
                      " has " + std::to_string(classes) + " classes; leave nc away, it follows the data");
  }
  std::tie(experiment.model, experiment.average) =
      build_with_average(spec_to_train(settings), build_options(settings, classes));
  if (!settings.freeze.empty()) experiment.frozen = freeze_parameters(*experiment.model, frozen_names(experiment));
  if (!settings.backbone_weights.empty()) begin_with_backbone(experiment);
  if (!settings.weights.empty()) begin_with_weights(experiment);
  for (DetectionModel* model : {&experiment.model, &experiment.average}) (*model)->to(experiment.device);
  const Fit fit = chosen("fit", settings.fit, kFitWords);
  require_fit(*experiment.model, fit);
  experiment.size = resolve_image_size(settings, std::nullopt, experiment.model->stride(), fit);
  settle_criterion(experiment.model->head().criteria(), experiment.settings);
}

}  // namespace

Experiment prepare_experiment(const Settings& settings) {
  Experiment experiment;
  experiment.settings = settings;
  settle_nominal_batch(experiment.settings);
  experiment.device = compute_device(settings);
  experiment.told = told_settings(settings);
  read_data(experiment);
  build_models(experiment);
  experiment.groups = make_groups(experiment.settings, experiment.model);
  experiment.precision = choose_precision(chosen("amp", settings.amp, kAmpWords), experiment.device);
  experiment.identity = identity_of(experiment.settings, experiment.model->spec(), experiment.train, experiment.size);
  return experiment;
}

Experiment prepare_to_continue(Settings settings) {
  settings.weights.clear();
  settings.backbone_weights.clear();
  return prepare_experiment(settings);
}

std::int64_t Experiment::batches_per_epoch() const {
  return training_loader_options(*this).batches_per_epoch(static_cast<std::int64_t>(train.pictures.size()));
}

std::int64_t Experiment::steps_per_epoch() const {
  return (batches_per_epoch() + settings.accumulate - 1) / settings.accumulate;
}

std::int64_t Experiment::pictures_per_step() const {
  return training_loader_options(*this).batch_size * settings.accumulate;
}

TransformOptions training_transforms(const Experiment& experiment) {
  return training_transforms(experiment.settings, experiment.size, experiment.model->stride());
}

LoaderOptions training_loader_options(const Experiment& experiment) {
  LoaderOptions loader = loader_options(experiment.settings);
  loader.batch_size = std::min(loader.batch_size, static_cast<std::int64_t>(experiment.train.pictures.size()));
  return loader;
}

EvaluatorOptions evaluator_options(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  return {.height = experiment.size.height,
          .width = experiment.size.width,
          .batch = settings.batch,
          .device = experiment.device,
          .workers = static_cast<int>(settings.workers),
          .threads = std::max(1, at::get_num_threads()),
          .resampling = chosen("resample", settings.resample, kResamplingWords),
          .fit = chosen("fit", settings.fit, kFitWords),
          .criterion = criterion_options(settings)};
}

namespace {

std::vector<ParameterGroup> groups_of(const Settings& settings, const std::vector<NamedParameter>& parameters) {
  const GroupDefaults defaults{.lr = settings.lr0, .weight_decay = weight_decay_of_step(settings)};
  if (settings.param_groups.empty()) return group_by_shape(parameters, defaults);
  std::vector<GroupRule> rules;
  for (const ParamGroupRule& rule : settings.param_groups) {
    rules.push_back({rule.match, rule.lr_scale * settings.lr0, rule.weight_decay});
  }
  return group_by_rules(parameters, rules, defaults);
}

/// Recipes speak of backbone, encoder and decoder, which the keys of a row without a path, "model.3.…", do not name:
/// rules find the part of its row in front of them.
void call_by_part(const DetectionModel& model, std::vector<NamedParameter>& parameters) {
  for (const DetectionModelImpl::Row& row : model->rows()) {
    const std::string numbered = "model." + std::to_string(row.index);
    if (row.path != numbered) continue;
    for (NamedParameter& parameter : parameters)
      if (parameter.name.starts_with(numbered + ".")) parameter.called = row.part + "." + parameter.name;
  }
}

/// A rule that no name of the model matches, frozen or not, is most likely misspelt.
void warn_of_idle_rules(const Settings& settings, const DetectionModel& model) {
  std::vector<NamedParameter> all;
  for (const auto& item : model->named_parameters()) all.push_back({item.key(), item.value()});
  for (const auto& item : model->named_buffers()) all.push_back({item.key(), item.value()});  // frozen norms are these
  call_by_part(model, all);
  for (const ParamGroupRule& rule : settings.param_groups) {
    const std::regex pattern = name_pattern("param_groups", rule.match);
    if (std::ranges::none_of(all, [&](const auto& one) { return std::regex_search(one.called, pattern); }))
      log::warning(rule.where + ": no parameter of this model matches '" + rule.match + "': the rule is for nothing");
  }
}

}  // namespace

std::vector<ParameterGroup> make_groups(const Settings& settings, const DetectionModel& model) {
  warn_of_idle_rules(settings, model);
  std::vector<NamedParameter> parameters = trainable_parameters(*model);
  if (parameters.empty()) {
    throw ConfigError("freeze=" + settings.freeze + settings.origin_of("freeze") +
                      ": it matches every parameter, nothing is left to train");
  }
  call_by_part(model, parameters);
  std::vector<std::string> names;
  for (const auto& item : model->named_parameters()) names.push_back(item.key());
  return warm_biases(decay_by_layer(groups_of(settings, parameters), names, settings.layer_decay),
                     settings.warmup_bias_lr);
}

}  // namespace rtdetr
