#include "models/deploy/hugging_face_files.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/check.h"
#include "core/base/text.h"
#include "models/deploy/hugging_face_graph.h"
#include "models/heads/detr/decoder.h"
#include "models/layers/module_tree.h"
#include "models/weights/key_conversion.h"
#include "models/weights/key_tables.h"
#include "models/weights/number_type.h"

namespace rtdetr {
namespace {

using nlohmann::ordered_json;
using Keys = DecoderOptions::Keys;

const RTDETRDecoderImpl* decoder_in(const DetectionModel& model) {
  return dynamic_cast<const RTDETRDecoderImpl*>(&model->head());
}

bool is_v2(const DetectionModel& model) { return decoder_in(model)->options().keys == Keys::kV2; }

const KeyLayout& layout_of(const DetectionModel& model) {
  return hugging_face_layout(is_v2(model) ? OfficialVersion::kV2 : OfficialVersion::kV1);
}

void add_decoder_obstacles(const DecoderOptions& o, std::vector<std::string>& obstacles) {
  const bool v2 = o.keys == Keys::kV2;
  if (o.points.size() != o.in_channels.size() ||
      std::adjacent_find(o.points.begin(), o.points.end(), std::not_equal_to<>()) != o.points.end())
    obstacles.emplace_back(
        "its decoder has more levels than maps, or other numbers of points on one level than another");
  if (o.eval_layers != 0 && o.eval_layers != o.layers)
    obstacles.push_back("eval_idx leaves " + std::to_string(o.layers - o.eval_layers) +
                        " of its decoder layers for training alone; decoder_layers=" + std::to_string(o.eval_layers) +
                        " exports the others");
  if (v2 && o.layers < 2) obstacles.emplace_back("an RT-DETRv2 with one decoder layer cannot be built there");
  if (!o.two_stage) obstacles.emplace_back("two_stage: false, queries that begin with learnt boxes, is not there");
  if (o.selection != QuerySelection::kBestClass) obstacles.emplace_back("select: one2many is not there");
  if (!o.anchors.official_border) obstacles.emplace_back("anchors: fixed is not there");
  if (o.sampling == SamplingMethod::kDiscrete || (o.sampling != SamplingMethod::kBilinear && !v2))
    obstacles.emplace_back(
        "its sampling is discrete, which is there for RT-DETRv2 with discrete_clamp: official alone");
  if (o.activation != Activation::kRelu) obstacles.emplace_back("its decoder's activation is not relu");
  if (o.head_activation != Activation::kRelu)
    obstacles.emplace_back("mlp_act is not relu, the only activation there of the perceptrons of positions and boxes");
}

ordered_json backbone_config(const HuggingFaceNumbers& n) {
  std::vector<std::int64_t> widths = n.widths;
  for (std::int64_t& width : widths) width *= n.bottleneck ? 4 : 1;
  return {{"model_type", "rt_detr_resnet"},
          {"num_channels", 3},
          {"embedding_size", n.embedding},
          {"hidden_sizes", widths},
          {"depths", n.depths},
          {"layer_type", n.bottleneck ? "bottleneck" : "basic"},
          {"hidden_act", "relu"},
          {"downsample_in_first_stage", false},
          {"downsample_in_bottleneck", false},
          {"stage_names", {"stem", "stage1", "stage2", "stage3", "stage4"}},
          {"out_features", {"stage2", "stage3", "stage4"}},
          {"out_indices", {2, 3, 4}}};
}

void add_encoder(ordered_json& config, const HuggingFaceNumbers& n) {
  const std::int64_t factor = n.bottleneck ? 4 : 1;
  config["backbone_config"] = backbone_config(n);
  for (const char* absent : {"backbone", "backbone_kwargs", "eval_size", "anchor_image_size"}) config[absent] = nullptr;
  config["use_pretrained_backbone"] = config["use_timm_backbone"] = false;
  config["freeze_backbone_batch_norms"] = n.frozen_norms;
  config["batch_norm_eps"] = config["layer_norm_eps"] = 1e-5;
  config["encoder_hidden_dim"] = n.encoder_width;
  config["encoder_in_channels"] = {factor * n.widths[1], factor * n.widths[2], factor * n.widths[3]};
  config["feat_strides"] = {8, 16, 32};
  config["encoder_layers"] = 1;
  config["encoder_ffn_dim"] = n.encoder_hidden;
  config["encoder_attention_heads"] = n.encoder_heads;
  config["encode_proj_layers"] = ordered_json::array({2});
  config["positional_encoding_temperature"] = 10000;
  config["encoder_activation_function"] = "gelu";
  config["activation_function"] = "silu";
  config["normalize_before"] = false;
  config["hidden_expansion"] = n.expansion;
  config["dropout"] = config["activation_dropout"] = config["attention_dropout"] = 0.0;
}

void add_decoder(ordered_json& config, const DecoderOptions& o) {
  config["d_model"] = o.dim;
  config["num_queries"] = o.num_queries;
  config["decoder_in_channels"] = o.in_channels;
  config["decoder_ffn_dim"] = o.ffn_dim;
  config["num_feature_levels"] = o.points.size();
  config["decoder_n_points"] = o.points.front();
  config["decoder_layers"] = o.layers;
  config["decoder_attention_heads"] = o.heads;
  config["decoder_activation_function"] = "relu";
  config["num_denoising"] = o.denoising.count;
  config["label_noise_ratio"] = o.denoising.label_noise_ratio;
  config["box_noise_scale"] = o.denoising.box_noise_scale;
  config["learn_initial_query"] = o.learnt_queries;
  config["with_box_refine"] = true;
  config["is_encoder_decoder"] = true;
  if (o.keys == Keys::kV1) config["disable_custom_kernels"] = true;
  if (o.keys != Keys::kV2) return;
  config["decoder_n_levels"] = o.points.size();
  config["decoder_offset_scale"] = 0.5;
  config["decoder_method"] = o.sampling == SamplingMethod::kBilinear ? "default" : "discrete";
}

void add_classes(ordered_json& config, const std::vector<std::string>& names) {
  ordered_json by_number = ordered_json::object(), by_name = ordered_json::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    by_number[std::to_string(i)] = names[i];
    by_name[names[i]] = i;
  }
  config["id2label"] = by_number;
  config["label2id"] = by_name;
}

std::string config_text(const DetectionModel& model, const ModelInfo& info, const HuggingFaceNumbers& numbers) {
  const bool v2 = is_v2(model);
  ordered_json config{{"architectures", {v2 ? "RTDetrV2ForObjectDetection" : "RTDetrForObjectDetection"}},
                      {"model_type", v2 ? "rt_detr_v2" : "rt_detr"}};
  add_encoder(config, numbers);
  add_decoder(config, decoder_in(model)->options());
  add_classes(config, info.names);
  const char* type = info.number_type == Precision::kBFloat16  ? "bfloat16"
                     : info.number_type == Precision::kFloat16 ? "float16"
                                                               : "float32";
  config["torch_dtype"] = type;
  return config.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// Norms of a backbone that are trained count their batches there, too; the names that are written are those of the
/// published files, whose backbones are frozen.
void add_counters(const TensorMap& ours, const KeyLayout& layout, TensorMap& theirs) {
  constexpr std::string_view kCounter = "num_batches_tracked", kSibling = "running_var";
  for (const auto& [key, tensor] : ours) {
    if (!key.starts_with("backbone.") || !key.ends_with(kCounter)) continue;
    const std::string sibling = key.substr(0, key.size() - kCounter.size()) + std::string(kSibling);
    const std::string named = their_keys(layout, sibling).value().front().key;
    theirs.emplace(named.substr(0, named.size() - kSibling.size()) + std::string(kCounter), tensor);
  }
}

std::string preprocessor_text(const ModelInfo& info) {
  return ordered_json{{"image_processor_type", "RTDetrImageProcessor"},
                      {"do_resize", true},
                      {"size", {{"height", info.height}, {"width", info.width}}},
                      {"resample", 2},
                      {"do_rescale", true},
                      {"rescale_factor", 1.0 / 255},
                      {"do_normalize", false},
                      {"image_mean", {0.485, 0.456, 0.406}},
                      {"image_std", {0.229, 0.224, 0.225}},
                      {"do_pad", false},
                      {"do_convert_annotations", true},
                      {"format", "coco_detection"}}
             .dump(2) +
         "\n";
}

}  // namespace

std::vector<std::string> hugging_face_obstacles(const DetectionModel& model) {
  std::vector<std::string> obstacles;
  if (model->fused())
    obstacles.emplace_back("it is fused, which is not undone; take the checkpoint that it was exported from");
  const RTDETRDecoderImpl* decoder = decoder_in(model);
  const bool distributions = decoder && decoder->options().boxes != DecoderOptions::Boxes::kLogits;
  if (distributions) {
    obstacles.emplace_back(
        "its decoder is D-FINE's or a relative's, and RT-DETR v1 and v2 alone are written; format=official-pth holds "
        "it under the names of its official code");
    return obstacles;
  }
  if (!decoder || decoder->options().keys == Keys::kUltralytics) {
    obstacles.emplace_back(
        "its decoder is not official RT-DETR's v1 or v2, the only ones that transformers has with these backbones");
    return obstacles;
  }
  hugging_face_numbers(model, obstacles);
  add_decoder_obstacles(decoder->options(), obstacles);
  return obstacles;
}

HuggingFaceFiles hugging_face_files(const DetectionModel& model, const ModelInfo& info, const std::string& origin) {
  std::vector<std::string> obstacles;
  const HuggingFaceNumbers numbers = hugging_face_numbers(model, obstacles);
  TensorMap state;
  for (const auto& [key, tensor] : named_state(*model)) state.emplace(key, tensor.detach());
  ConvertedTensors converted = to_their_keys(layout_of(model), in_number_type(state, info.number_type), origin);
  RTDETR_CHECK(converted.unexpected.empty(), "Hugging Face has no name for " + join(converted.unexpected, ", "));
  add_counters(state, layout_of(model), converted.tensors);
  return {config_text(model, info, numbers), preprocessor_text(info), std::move(converted.tensors)};
}

TensorMap tensors_of_hugging_face(const DetectionModel& model, const TensorMap& theirs, const std::string& origin) {
  return to_our_keys(layout_of(model), theirs, origin).tensors;
}

}  // namespace rtdetr
