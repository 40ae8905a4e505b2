#include "models/deploy/official_file.h"

#include <algorithm>
#include <array>

#include <torch/types.h>

#include "core/base/text.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_mistakes.h"
#include "models/heads/detr/decoder.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

using Keys = DecoderOptions::Keys;

const RTDETRDecoderImpl* decoder_of(const DetectionModel& model) {
  return dynamic_cast<const RTDETRDecoderImpl*>(&model->head());
}

/// A row's argument that the official code has one value of.
struct FixedArgument {
  const char* module;
  const char* name;
  const char* value;
};
constexpr std::array<FixedArgument, 3> kFixedArguments{{{"TransformerEncoder", "position", "official"},
                                                        {"RTDETRDecoder", "anchors", "official"},
                                                        {"RTDETRDecoder", "discrete_clamp", "official"}}};

void add_other_arguments(const DetectionModel& model, std::vector<std::string>& obstacles) {
  ModelMistakes none(model->spec().origin);
  for (const PlannedRow& row : plan_graph(model->spec(), none).rows) {
    for (const FixedArgument& fixed : kFixedArguments) {
      if (row.entry->name != fixed.module || row.context.args.text(fixed.name) == fixed.value) continue;
      obstacles.push_back("row " + std::to_string(row.index) + " has " + fixed.name + ": " +
                          row.context.args.text(fixed.name) + ", and that code has " + fixed.value +
                          " alone; train with the same weights and the other word, or export format=safetensors");
    }
  }
}

void add_other_keys(const DetectionModel& model, std::vector<std::string>& obstacles) {
  constexpr std::array<const char*, 6> kOfficial{"backbone.conv1.conv1_",
                                                 "backbone.res_layers.",
                                                 "backbone.stem.stem",
                                                 "backbone.stages.",
                                                 "encoder.",
                                                 "decoder."};
  for (const auto& [key, tensor] : named_state(*model)) {
    const auto begins = [&, &key = key](const char* part) { return key.starts_with(part); };
    if (std::any_of(kOfficial.begin(), kOfficial.end(), begins)) continue;
    obstacles.push_back("its graph is another: that code has no '" + key +
                        "'; a safetensors file opens in Python too, with safetensors.torch.load_file");
    return;
  }
}

void add_other_eps(const DetectionModel& model, std::vector<std::string>& obstacles) {
  constexpr double kEps = 1e-5;
  const double eps = model->spec().batch_norm_eps;
  if (eps == kEps) return;
  obstacles.push_back("norm_eps is " + format_double(eps) +
                      ", and that code's norms have 1e-5 alone; train with norm_eps: 1.0e-5 in the model's YAML, or "
                      "export format=safetensors");
}

void add_learnt_boxes(const DecoderOptions& options, std::vector<std::string>& obstacles) {
  if (!options.two_stage)
    obstacles.emplace_back(
        "its queries begin with learnt boxes (two_stage: false), and that code's with selected tokens alone; export "
        "format=safetensors");
}

/// D-FINE's code has the option; RT-DETR's has ReLU alone.
void add_other_activation(const DecoderOptions& options, std::vector<std::string>& obstacles) {
  if (options.boxes == DecoderOptions::Boxes::kDistributions || options.head_activation == Activation::kRelu) return;
  obstacles.emplace_back(
      "mlp_act is not relu, the only activation that this code's perceptrons of positions and boxes have; train with "
      "mlp_act: relu in the model's YAML, or export format=safetensors");
}

std::vector<LevelShape> levels_for(const DetectionModel& model, const ImageSize& size) {
  ModelMistakes none(model->spec().origin);
  const GraphPlan plan = plan_graph(model->spec(), none);
  std::vector<LevelShape> levels;
  std::int64_t stride = 0;
  for (std::size_t i = 0; i < decoder_of(model)->options().points.size(); ++i) {
    const auto& inputs = plan.rows.back().context.inputs;
    stride = i < inputs.size() ? inputs[i].stride : 2 * stride;
    levels.push_back({size.height / stride, size.width / stride});
  }
  return levels;
}

/// What that code's first version has one way of.
void add_other_than_v1(const DecoderOptions& options, std::vector<std::string>& obstacles) {
  if (options.keys != Keys::kV1) return;
  const auto unequal = [&](std::int64_t points) { return points != options.points.front(); };
  if (options.selection != QuerySelection::kBestClass)
    obstacles.emplace_back(
        "its decoder selects pairs of token and class (select: one2many), and RT-DETR v1 tokens alone");
  if (options.sampling != SamplingMethod::kBilinear)
    obstacles.emplace_back(
        "its decoder samples at whole cells (sampling: discrete), and RT-DETR v1 between them alone");
  if (std::ranges::any_of(options.points, unequal))
    obstacles.emplace_back("its decoder samples as many points on each map as ndp says, and RT-DETR v1 as many on all");
}

}  // namespace

std::vector<std::string> official_obstacles(const DetectionModel& model) {
  std::vector<std::string> obstacles;
  if (model->fused())
    obstacles.emplace_back(
        "it is fused, which is not undone: that code folds norms by itself; take the checkpoint that it was exported "
        "from");
  const RTDETRDecoderImpl* decoder = decoder_of(model);
  if (!decoder) {
    obstacles.emplace_back("it has no decoder, so that it is no RT-DETR");
    return obstacles;
  }
  if (decoder->options().keys == Keys::kDino) {
    obstacles.emplace_back(
        "its decoder is DINO's; its safetensors file has that code's names, so that in Python "
        "model.load_state_dict(safetensors.torch.load_file(file)) takes it");
    return obstacles;
  }
  if (decoder->options().keys == Keys::kUltralytics) {
    obstacles.emplace_back(
        "its decoder is not official RT-DETR's v1 or v2, or D-FINE's, but as Ultralytics writes it; its safetensors "
        "file has "
        "Ultralytics' names, so that in Python model.load_state_dict(safetensors.torch.load_file(file)) takes it");
    return obstacles;
  }
  add_other_keys(model, obstacles);
  add_other_arguments(model, obstacles);
  add_other_eps(model, obstacles);
  add_other_activation(decoder->options(), obstacles);
  add_learnt_boxes(decoder->options(), obstacles);
  add_other_than_v1(decoder->options(), obstacles);
  if (!model->spec().mean.empty())
    obstacles.emplace_back("it normalises its pictures (mean, std), which that code's models do not");
  return obstacles;
}

TensorMap official_state(const DetectionModel& model, const ImageSize& size) {
  TensorMap state;
  for (const auto& [key, tensor] : named_state(*model)) state.emplace(key, tensor.detach());
  const DecoderOptions& options = decoder_of(model)->options();
  if (options.keys != Keys::kV2) return state;
  const Anchors anchors = make_anchors(levels_for(model, size), options.anchors, torch::kFloat32);
  const torch::Tensor all = torch::ones({1, anchors.logits.size(1), 1}, torch::kBool);
  state.emplace("decoder.anchors", anchors.logits);
  state.emplace("decoder.valid_mask", anchors.valid.defined() ? anchors.valid : all);
  return state;
}

void save_official_file(const std::filesystem::path& file, const TensorMap& state, const AtomicWriteOptions& options) {
  const std::array<std::string, 2> below{"ema", "module"};
  save_torch_tensors(file, below, state, options);
}

}  // namespace rtdetr
