#include "train/commands/model_source.h"

#include <algorithm>
#include <numeric>

#include <torch/types.h>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/ops/packed/product_speed.h"
#include "models/deploy/engine/numbers.h"
#include "models/graph/model_files.h"
#include "train/optim/precision.h"
#include "train/process/machine.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> if_set(std::int64_t value) {
  return value > 0 ? std::optional<std::int64_t>(value) : std::nullopt;
}

ModelInfo info_without_names(const DetectionModel& model) {
  ModelInfo info;
  for (std::int64_t c = 0; c < model->num_classes(); ++c) info.names.push_back(std::to_string(c));
  info.category_ids.resize(info.names.size());
  std::iota(info.category_ids.begin(), info.category_ids.end(), 0);
  return describe_model(model, std::move(info));
}

OpenedModel build_from_yaml(const Settings& settings, InitialWeights initial) {
  BuildOptions options;
  options.num_classes = if_set(settings.nc);
  options.decoder_layers = if_set(settings.decoder_layers);
  options.num_queries = if_set(settings.num_queries);
  options.seed = static_cast<std::uint64_t>(settings.seed);
  options.shapes_only = initial == InitialWeights::kNone;
  OpenedModel opened;
  opened.model = build_model(load_model_spec(settings.model, settings.scale), options);
  opened.info = info_without_names(opened.model);
  return opened;
}

void refuse_keys_of_yamls(const Settings& settings) {
  for (const char* key : {"nc", "scale"})
    if (settings.is_given(key))
      throw ConfigError(std::string(key) + "=" + settings.origin_of(key) + " is for model YAMLs; " + settings.model +
                        " has its own");
}

OpenedModel read_checkpoint(const Settings& settings) {
  refuse_keys_of_yamls(settings);
  LoadedModel loaded = load_model(settings.model, {settings.decoder_layers, settings.num_queries});
  OpenedModel opened;
  opened.model = loaded.model;
  opened.info = std::move(loaded.info);
  opened.is_checkpoint = true;
  return opened;
}

/// amp=auto where the CPU engine runs.
PrecisionChoice faster_in_engine() {
  if (!can_multiply(NumberFormat::kBFloat16))
    return {Precision::kFloat32, "amp=auto: this processor multiplies no bf16 numbers; the model runs in fp32"};
  const double fp32 = product_milliseconds(NumberFormat::kFloat32),
               bf16 = product_milliseconds(NumberFormat::kBFloat16);
  constexpr double kWorthwhile = 0.8;
  const Precision precision = bf16 < kWorthwhile * fp32 ? Precision::kBFloat16 : Precision::kFloat32;
  return {precision, "amp=auto: a product takes " + fixed(fp32, 2) + " ms in fp32, " + fixed(bf16, 2) +
                         " ms in bf16; the model runs in " + precision_name(precision)};
}

/// @param amp  bf16, int8 or auto
PrecisionChoice choice_for_engine(const Settings& settings, Amp amp, const InputRanges& ranges) {
  if (amp == Amp::kAuto) return faster_in_engine();
  const Precision precision = amp == Amp::kInt8 ? Precision::kInt8 : Precision::kBFloat16;
  const std::string wrong = why_not(precision, ranges),
                    hint = precision == Precision::kBFloat16 ? ". amp=off is faster; engine=off imitates them" : "";
  if (!wrong.empty()) throw ConfigError("amp=" + settings.amp + settings.origin_of("amp") + ": " + wrong + hint);
  return {precision,
          "amp=" + settings.amp + ": the prepared model multiplies " + precision_name(precision) + " numbers"};
}

}  // namespace

bool is_model_yaml(const fs::path& file) {
  const auto extension = file.extension();
  const bool is_there = fs::exists(fs::is_directory(file) ? file / "config.json" : file);
  return extension == ".yaml" || extension == ".yml" || (extension.empty() && !is_there);
}

std::optional<ImageSize> OpenedModel::size() const {
  return is_checkpoint ? std::optional(ImageSize{info.height, info.width}) : std::nullopt;
}

Fit fit_of(const Settings& settings, const ModelInfo& info) {
  return settings.is_given("fit") ? chosen("fit", settings.fit, kFitWords) : info.fit;
}

OpenedModel open_model(const Settings& settings, InitialWeights initial) {
  const torch::NoGradGuard no_grad;
  OpenedModel opened = is_model_yaml(settings.model) ? build_from_yaml(settings, initial) : read_checkpoint(settings);
  if (initial != InitialWeights::kNone) opened.model->to(compute_device(settings));
  opened.model->eval();
  for (torch::Tensor& parameter : opened.model->parameters()) parameter.set_requires_grad(false);
  return opened;
}

Precision model_precision(const Settings& settings, torch::Device device, const InputRanges& ranges,
                          ProcessGroup& group) {
  const Amp amp = chosen("amp", settings.amp, kAmpWords);
  if (amp == Amp::kOff) return Precision::kFloat32;
  const bool engine = device.is_cpu() && settings.engine == "auto" && amp != Amp::kFloat16;
  if (amp == Amp::kInt8 && !engine)
    throw ConfigError("amp=int8" + settings.origin_of("amp") + " is for device=cpu and engine=auto");
  PrecisionChoice choice = engine ? choice_for_engine(settings, amp, ranges) : choose_precision(amp, device);
  share_precision(choice, group);
  if (group.is_main()) log::info(choice.reason);
  return choice.precision;
}

void warn_if_untrained(const Settings& settings, const OpenedModel& opened) {
  if (opened.is_checkpoint) return;
  log::warning("model=" + settings.model +
               " is a model's YAML: its weights are untrained, drawn from seed=" + std::to_string(settings.seed));
}

void require_trained(const Settings& settings) {
  if (!is_model_yaml(settings.model)) return;
  throw ConfigError("model=" + settings.model + settings.origin_of("model") +
                    ": a model YAML has no trained weights; give a checkpoint such as "
                    "runs/train/exp/best.safetensors");
}

}  // namespace rtdetr
