#include "train/loop/experiment.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>

#include <torch/torch.h>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/safetensors.h"
#include "core/io/yaml.h"
#include "models/graph/model_files.h"
#include "models/graph/model_spec.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "models/weights/pretrained.h"
#include "train/config/continued_run.h"
#include "train/config/input_files.h"
#include "train/optim/freeze.h"

namespace rtdetr {
namespace {

/// Settings that may change when a run is continued: they do not enter its numbers, or only where it ends. The model
/// and the data are compared by what the files hold, not by their names.
const std::set<std::string>& free_keys() {
  static const std::set<std::string> kKeys{
      "model",    "weights",    "data",    "cfg",        "scale",       "imgsz",   "amp",         "device",
      "threads",  "workers",    "project", "name",       "exist_ok",    "json",    "quiet",       "verbose",
      "resume",   "save_every", "check",   "save_steps", "save_period", "val",     "val_every",   "val_steps",
      "patience", "epochs",     "time",    "plots",      "cache_mib",   "max_bad", "check_space", "max_pixels"};
  return kKeys;
}

std::string fingerprint(const Dataset& dataset) {
  Sha256 hash;
  for (const std::string& name : dataset.classes.names) hash.update(name + "\n");
  for (const Dataset::PictureEntry& picture : dataset.pictures) {
    hash.update(picture.file.filename().string() + " " + std::to_string(picture.id) + "\n");
  }
  for (const Dataset::BoxEntry& box : dataset.boxes) {
    hash.update(std::as_bytes(std::span(box.xyxy)));
    hash.update(std::as_bytes(std::span(&box.label, 1)));
  }
  return std::to_string(dataset.pictures.size()) + " pictures, " + std::to_string(dataset.boxes.size()) +
         " boxes, sha256 " + hash.hex_digest().substr(0, 16);
}

RunIdentity identity_of(const Experiment& experiment) {
  RunIdentity identity;
  const YamlDocument settings = parse_yaml(settings_to_yaml(experiment.settings), "settings");
  for (const auto& [key, value] : settings.root.entries) {
    if (!free_keys().contains(key)) identity[key] = value.to_flow();
  }
  Sha256 hash;
  hash.update(experiment.model->spec().text);
  identity["model"] = experiment.model->spec().name + ", sha256 " + hash.hex_digest().substr(0, 16);
  identity["data"] = fingerprint(experiment.train);
  identity["imgsz"] = std::to_string(experiment.size.height) + "," + std::to_string(experiment.size.width);
  return identity;
}

std::vector<NamedParameter> trainable(const DetectionModel& model) {
  std::vector<NamedParameter> parameters;
  for (const auto& item : model->named_parameters()) {
    if (item.value().requires_grad()) parameters.push_back({item.key(), item.value()});
  }
  return parameters;
}

void read_data(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  if (settings.data.empty())
    throw ConfigError("train needs data=FILE, a data set YAML, e.g. data=configs/datasets/bccd.yaml");
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

/// model= is a YAML; of a run that is continued where there is none, its checkpoint (Parser::take_from_run).
ModelSpec spec_to_train(const Settings& settings) {
  const std::string& file = settings.model;
  if (std::filesystem::path(file).extension() != ".safetensors") return load_model_spec(file, settings.scale);
  return model_spec_of(to_model_info(SafetensorsReader(file).metadata(), file), file);
}

void build_models(Experiment& experiment) {
  const Settings& settings = experiment.settings;
  const auto classes = static_cast<std::int64_t>(experiment.train.classes.names.size());
  if (settings.nc > 0 && settings.nc != classes) {
    throw ConfigError("nc=" + std::to_string(settings.nc) + settings.origin_of("nc") + ": " + experiment.train.name +
                      " has " + std::to_string(classes) + " classes; leave nc away, it follows the data");
  }
  if (settings.model.empty()) throw ConfigError("train needs model=FILE, a model YAML, e.g. model=rtdetr-n.yaml");
  const ModelSpec spec = spec_to_train(settings);
  const BuildOptions options = build_options(settings, classes);
  experiment.model = build_model(spec, options);
  experiment.average = build_model(spec, options);
  for (DetectionModel* model : {&experiment.model, &experiment.average}) {
    to_channels_last(**model);
  }
  for (torch::Tensor& parameter : experiment.average->parameters()) parameter.set_requires_grad(false);
  if (!settings.weights.empty()) {
    require_input_file(settings, "weights", settings.weights);
    take_weights(*experiment.model, experiment.train.classes.names, settings.weights);
  }
  experiment.size = resolve_image_size(settings, std::nullopt, experiment.model->stride());
}

}  // namespace

Experiment prepare_experiment(const Settings& settings) {
  Experiment experiment;
  experiment.settings = settings;
  experiment.told = told_settings(settings);
  read_data(experiment);
  build_models(experiment);
  if (!settings.freeze.empty()) experiment.frozen = freeze_parameters(*experiment.model, settings.freeze);
  experiment.groups = make_groups(settings, experiment.model);
  experiment.precision = choose_precision(settings.amp, torch::kCPU);
  experiment.identity = identity_of(experiment);
  return experiment;
}

Experiment prepare_to_continue(Settings settings) {
  settings.weights.clear();
  return prepare_experiment(settings);
}

std::int64_t Experiment::batches_per_epoch() const {
  return training_loader_options(*this).batches_per_epoch(static_cast<std::int64_t>(train.pictures.size()));
}

std::int64_t Experiment::steps_per_epoch() const {
  return (batches_per_epoch() + settings.accumulate - 1) / settings.accumulate;
}

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
                                  ", batch " + std::to_string(settings.batch) +
                                  (settings.accumulate > 1 ? " x " + std::to_string(settings.accumulate) : ""));
  text += line("length     ", (settings.time > 0 ? format_duration(settings.time * 3600) + " of training"
                                                 : counted(settings.epochs, "epoch")) +
                                  ", " + counted(experiment.steps_per_epoch(), "step") + " each epoch");
  if (experiment.frozen > 0) {
    text += line("frozen     ", with_thousands(experiment.frozen) + " parameters: " + settings.freeze);
  }
  for (const ParameterGroup& group : experiment.groups) {
    text += line("optimizer  ", std::to_string(group.parameters.size()) + " tensors, lr " + format_short(group.lr) +
                                    ", weight decay " + format_double(group.weight_decay) + ": " + group.label);
  }
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
  constexpr std::int64_t kFewSteps = 1000;  // the demo's small model needs about as many (docs/explanation)
  if (steps < kFewSteps && settings.weights.empty()) {
    log::warning("a DETR trained from scratch learns little in " + about + counted(steps, "step") + "; more " +
                 (length.by_clock ? "time" : "epochs") + "=, a smaller batch=, or weights= to start from");
  }
}

TransformOptions training_transforms(const Settings& settings, const ImageSize& size) {
  TransformOptions transforms;
  transforms.height = size.height;
  transforms.width = size.width;
  transforms.photometric = settings.photometric;
  transforms.zoom_out = settings.zoom_out;
  transforms.zoom_out_max = settings.zoom_out_max;
  transforms.iou_crop = settings.iou_crop;
  transforms.flip = settings.flip;
  transforms.flip_vertical = settings.flip_vertical;
  transforms.rotate90 = settings.rotate90;
  transforms.mosaic = settings.mosaic;
  transforms.mixup = settings.mixup;
  transforms.multi_scale = multi_scale_sides(std::max(size.height, size.width), settings.multi_scale);
  return transforms;
}

LoaderOptions training_loader_options(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  LoaderOptions loader;
  loader.batch_size = std::min(settings.batch, static_cast<std::int64_t>(experiment.train.pictures.size()));
  loader.threads = static_cast<int>(settings.workers);
  loader.seed = static_cast<std::uint64_t>(settings.seed);
  loader.max_bad = settings.max_bad;
  loader.cache_mib = settings.cache_mib;
  return loader;
}

EvaluatorOptions evaluator_options(const Experiment& experiment) {
  const Settings& settings = experiment.settings;
  return {.height = experiment.size.height,
          .width = experiment.size.width,
          .batch = settings.batch,
          .workers = static_cast<int>(settings.workers),
          .threads = std::max(1, at::get_num_threads()),
          .criterion = criterion_options(settings)};
}

std::vector<ParameterGroup> make_groups(const Settings& settings, const DetectionModel& model) {
  if (trainable(model).empty()) {
    throw ConfigError("freeze=" + settings.freeze + settings.origin_of("freeze") +
                      ": it matches every parameter, nothing is left to train");
  }
  const GroupDefaults defaults{.lr = settings.lr0, .weight_decay = settings.weight_decay};
  if (settings.param_groups.empty()) return group_by_shape(trainable(model), defaults);
  std::vector<GroupRule> rules;
  for (const ParamGroupRule& rule : settings.param_groups) {
    rules.push_back({rule.match, rule.lr_scale * settings.lr0, rule.weight_decay});
  }
  return group_by_rules(trainable(model), rules, defaults);
}

BuildOptions build_options(const Settings& settings, std::int64_t num_classes) {
  BuildOptions options;
  options.num_classes = num_classes;
  if (settings.num_queries > 0) options.num_queries = settings.num_queries;
  if (settings.decoder_layers > 0) options.decoder_layers = settings.decoder_layers;
  options.seed = static_cast<std::uint64_t>(settings.seed);
  return options;
}

namespace {

ClassLoss class_loss(const std::string& name) {
  static const std::map<std::string, ClassLoss> kLosses = {
      {"vfl", ClassLoss::kVarifocal}, {"mal", ClassLoss::kMal}, {"focal", ClassLoss::kFocal}, {"bce", ClassLoss::kBce}};
  return kLosses.at(name);
}

}  // namespace

CriterionOptions criterion_options(const Settings& settings) {
  CriterionOptions criterion;
  criterion.cost_class = settings.cost_class;
  criterion.cost_bbox = settings.cost_bbox;
  criterion.cost_giou = settings.cost_giou;
  criterion.loss_class = settings.loss_class;
  criterion.loss_bbox = settings.loss_bbox;
  criterion.loss_giou = settings.loss_giou;
  criterion.vfl_alpha = settings.vfl_alpha;
  criterion.vfl_gamma = settings.vfl_gamma;
  criterion.class_loss = class_loss(settings.class_loss);
  criterion.one_to_many = std::max<std::int64_t>(1, settings.one_to_many);
  return criterion;
}

LrSchedule lr_schedule(const Settings& settings) {
  return {.shape = parse_schedule_shape(settings.schedule),
          .final_factor = settings.lrf,
          .milestones = settings.milestones,
          .gamma = settings.gamma,
          .warmup_steps = settings.warmup_steps};
}

}  // namespace rtdetr
