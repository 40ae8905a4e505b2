#include "models/weights/hugging_face_config.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "models/weights/class_names.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kLargestConfig = std::size_t{1} << 22;

/// One of the two files. Fields that are missing have the value that every published model has.
class ConfigFile {
 public:
  explicit ConfigFile(const fs::path& file) : file_(file) {
    constexpr int kDeepest = 32;
    const auto shallow = [&](int depth, json::parse_event_t, const json&) {
      if (depth > kDeepest) throw CheckpointError(file.string() + " is nested too deeply");
      return true;
    };
    fields_ = json::parse(read_text_file(file, kLargestConfig), shallow, /*allow_exceptions=*/false);
    if (!fields_.is_object()) throw CheckpointError(file.string() + " is not one JSON object");
  }

  const json* find(const std::string& name) const {
    const json* at = &fields_;
    for (const std::string& part : split(name, '.')) {
      if (!at->is_object() || !at->contains(part)) return nullptr;
      at = &(*at)[part];
    }
    return at->is_null() ? nullptr : at;
  }

  /// The field says what no YAML can, unless it is missing or null.
  void require_absent(const std::string& name, const std::string& why) const {
    if (const json* value = find(name)) refuse(name, *value, why);
  }
  void require(const std::string& name, const json& expected, const std::string& why) const {
    const json* value = find(name);
    if (value && !alike(*value, expected)) refuse(name, *value, why);
  }

  std::optional<std::int64_t> count(const std::string& name) const {
    constexpr std::int64_t kMost = 16384;
    const json* value = find(name);
    if (!value) return std::nullopt;
    if (!value->is_number_integer() || *value < 1 || *value > kMost) refuse(name, *value, "it is no count");
    return value->get<std::int64_t>();
  }

  [[noreturn]] void refuse(const std::string& name, const json& value, const std::string& why) const {
    constexpr std::size_t kShown = 60;
    throw CheckpointError(file_.string() + ": " + name + " = " + value.dump(-1, ' ', true).substr(0, kShown) + ": " +
                          why);
  }

 private:
  static bool alike(const json& a, const json& b) {
    if (a.is_number() && b.is_number()) return std::abs(a.get<double>() - b.get<double>()) <= 1e-9;
    return a == b;
  }

  fs::path file_;
  json fields_;
};

using Fixed = std::vector<std::pair<const char*, json>>;

void require_all(const ConfigFile& config, const Fixed& fixed) {
  for (const auto& [name, value] : fixed)
    config.require(name, value, "models of ours have no other than " + value.dump());
}

/// What is fixed in models of ours, with the value of every published model.
void require_expressible(const ConfigFile& config) {
  config.require_absent("eval_size", "newer versions leave the position table out with it; models of ours cannot");
  config.require_absent("anchor_image_size", "it fixes the anchors; those of ours follow the input size");
  require_all(config, {{"positional_encoding_temperature", 10000},
                       {"decoder_offset_scale", 0.5},
                       {"layer_norm_eps", 1e-5},
                       {"batch_norm_eps", 1e-5},
                       {"normalize_before", false},
                       {"with_box_refine", true},
                       {"activation_function", "silu"},
                       {"encoder_activation_function", "gelu"},
                       {"decoder_activation_function", "relu"},
                       {"backbone_config.hidden_act", "relu"},
                       {"backbone_config.num_channels", 3}});
}

void require_rtdetr(const ConfigFile& config) {
  require_all(config, {{"encode_proj_layers", {2}},
                       {"feat_strides", {8, 16, 32}},
                       {"decoder_n_levels", 3},
                       {"num_feature_levels", 3},
                       {"backbone_config.downsample_in_bottleneck", false},
                       {"backbone_config.downsample_in_first_stage", false}});
  const json* model = config.find("model_type");
  if (model && *model != "rt_detr" && *model != "rt_detr_v2")
    config.refuse("model_type", *model, "it is neither \"rt_detr\" nor \"rt_detr_v2\", as its weights are");
}

/// Published sizes read the last three maps of PP-HGNetV2, the smallest the last two. `reg_scale` and `up` are in the
/// weights, and published configs do not all say the former.
void require_dfine(const ConfigFile& config) {
  const json* strides = config.find("feat_strides");
  const bool two_maps = strides && *strides == json{16, 32};
  require_all(config, {{"model_type", "d_fine"},
                       {"feat_strides", two_maps ? json{16, 32} : json{8, 16, 32}},
                       {"num_feature_levels", two_maps ? 2 : 3},
                       {"encode_proj_layers", two_maps ? json{1} : json{2}},
                       {"backbone_config.model_type", "hgnet_v2"},
                       {"backbone_config.out_indices", two_maps ? json{3, 4} : json{2, 3, 4}},
                       {"backbone_config.stem_strides", {2, 1, 1, 2, 1}},
                       {"backbone_config.stage_downsample", {false, true, true, true}},
                       {"backbone_config.stage_downsample_strides", {2, 2, 2, 2}},
                       {"eval_idx", -1},
                       {"layer_scale", 1},
                       {"top_prob_values", 4},
                       {"lqe_layers", 2}});
}

std::vector<std::string> names_of(const ConfigFile& config) {
  std::vector<std::string> names;
  const json* labels = config.find("id2label");
  if (!labels) return names;
  if (!labels->is_object()) config.refuse("id2label", *labels, "it must be the classes' names by their numbers");
  for (std::size_t i = 0; i < labels->size(); ++i) {
    const auto label = labels->find(std::to_string(i));
    if (label == labels->end() || !label->is_string())
      config.refuse("id2label", *labels, "it does not name the classes 0, 1, 2, … one after the other");
    if (stands_for_no_name(*label, i)) return {};
    names.push_back(label->get<std::string>());
  }
  return names;
}

ImageSize preprocessing_size(const fs::path& file) {
  const ConfigFile config(file);
  const std::string plainly = "pictures come to models of ours resized and divided by 255, nothing else";
  config.require("do_normalize", false, plainly + "; fold its mean and deviation into the first convolution");
  config.require("do_resize", true, plainly);
  config.require("do_rescale", true, plainly);
  config.require("do_pad", false, plainly);
  config.require("rescale_factor", 1.0 / 255, plainly);
  config.require("resample", 2, "pictures are resized bilinearly, Pillow's 2");
  const auto height = config.count("size.height"), width = config.count("size.width");
  if (!height || !width) {
    const json* size = config.find("size");
    config.refuse("size", size ? *size : json(), "it must be a height and a width; imgsz= cannot take its place");
  }
  return {*height, *width};
}

}  // namespace

std::optional<HuggingFaceConfig> read_hugging_face_config(const fs::path& weights, bool of_dfine) {
  std::error_code ignored;
  const fs::path file = weights.parent_path() / "config.json";
  if (!fs::exists(file, ignored)) return std::nullopt;
  const ConfigFile config(file);
  require_expressible(config);
  of_dfine ? require_dfine(config) : require_rtdetr(config);
  HuggingFaceConfig found;
  found.names = names_of(config);
  found.hints.queries = config.count("num_queries");
  found.hints.decoder_heads = config.count("decoder_attention_heads");
  found.hints.encoder_heads = config.count("encoder_attention_heads");
  found.hints.hugging_face = true;
  const json* method = config.find("decoder_method");
  if (method && *method != "default" && *method != "discrete")
    config.refuse("decoder_method", *method, "sampling is \"default\" or \"discrete\"");
  found.hints.discrete_sampling = method && *method == "discrete";
  const fs::path preprocessing = weights.parent_path() / "preprocessor_config.json";
  if (fs::exists(preprocessing, ignored)) found.size = preprocessing_size(preprocessing);
  return found;
}

}  // namespace rtdetr
