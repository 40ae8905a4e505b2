#include "models/weights/foreign_weights.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <torch/torch.h>

#include "core/base/error.h"
#include "models/weights/backbone_weights.h"
#include "models/weights/key_conversion.h"
#include "models/weights/key_tables.h"
#include "models/weights/weight_parts.h"

namespace rtdetr {
namespace {

constexpr std::string_view kCounter = "num_batches_tracked";

/// A part of the file with its names read in one way.
struct DetectorReading {
  WeightPart part;
  std::string layout;  ///< empty: they are the model's already
  KeyPlan plan;
  std::ptrdiff_t fit = -1;  ///< how many of them the model has
};

/// The ways in which names are read; the first is "as they are", but for tables that follow from the picture's size.
std::vector<KeyLayout> detector_layouts() {
  const KeyLayout& versions = v1_beside_v2_layout();
  return {{"", {}, {{"decoder.{anchors|valid_mask}", ""}, {"{*}", "{*}"}}},
          hugging_face_layout(OfficialVersion::kV1),
          hugging_face_layout(OfficialVersion::kV2),
          versions,
          reversed(versions, "official RT-DETR v2")};
}

DetectorReading best_detector(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin) {
  static const std::vector<KeyLayout> layouts = detector_layouts();
  DetectorReading best;
  for (const WeightPart& part : parts_of(file)) {
    for (const KeyLayout& layout : layouts) {
      KeyPlan plan = plan_keys(layout, part.names(), origin);
      const std::ptrdiff_t fit = std::count_if(plan.targets.begin(), plan.targets.end(),
                                               [&](const auto& item) { return keys.contains(item.first); });
      if (fit > best.fit) best = {part, layout.name, std::move(plan), fit};
    }
  }
  return best;
}

/// Where the model has a norm, the file has its convolution's bias.
bool is_fused(const WeightPart& part, const std::set<std::string>& keys) {
  constexpr std::string_view kNorms[] = {".bn.running_var", ".norm.running_var"};
  const auto folded = [&](const std::string& key, std::string_view norm) {
    return key.ends_with(norm) && !part.tensors.contains(key) &&
           part.tensors.contains(key.substr(0, key.size() - norm.size()) + ".conv.bias");
  };
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return folded(key, kNorms[0]) || folded(key, kNorms[1]); });
}

void refuse_other_models(const WeightPart& part, const std::set<std::string>& keys, const std::string& origin) {
  const auto refines = [](const std::string& key) { return key.find("pre_bbox_head") != std::string::npos; };
  const auto has = [&](const auto& item) { return refines(item.first); };
  if (std::any_of(part.tensors.begin(), part.tensors.end(), has) && std::none_of(keys.begin(), keys.end(), refines))
    throw CheckpointError(origin + ": weights of D-FINE, whose decoder is another one; they cannot be taken over");
  if (is_fused(part, keys)) {
    throw CheckpointError(origin +
                          ": a fused model: its normalisation is folded into its convolutions, which is not undone, so "
                          "a training cannot begin with it; take the file before fusing");
  }
}

/// Files from PaddlePaddle, and frozen norms, do without them.
void add_counters(TensorMap& tensors, const std::set<std::string>& keys) {
  for (const std::string& key : keys) {
    if (!key.ends_with(kCounter) || tensors.contains(key)) continue;
    const std::string sibling = key.substr(0, key.size() - kCounter.size()) + "running_var";
    if (tensors.contains(sibling)) tensors.emplace(key, torch::zeros({}, torch::kInt64));
  }
}

std::int64_t classes_among(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors)
    if (name.ends_with("enc_score_head.weight") && tensor.dim() > 0) return tensor.size(0);
  return 0;
}

/// `prefix`0, `prefix`1, …: the names of all classes, or none. LABEL_0 is what Hugging Face writes for want of a name.
std::vector<std::string> names_below(const FileMetadata& metadata, const std::string& prefix, std::int64_t classes) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) {
    const auto name = metadata.find(prefix + std::to_string(i));
    if (name == metadata.end() || name->second == "LABEL_" + std::to_string(i)) return {};
    names.push_back(name->second);
  }
  return names;
}

void name_classes(ForeignWeights& weights, const FileMetadata& metadata, const std::string& prefix) {
  const std::int64_t classes = classes_among(weights.tensors);
  weights.names = names_below(metadata, prefix + "names.", classes);
  if (weights.names.empty()) weights.names = names_below(metadata, "config.id2label.", classes);
  if (!weights.names.empty() || classes != static_cast<std::int64_t>(coco_names().size())) return;
  weights.names = coco_names();
  weights.names_are_cocos = true;
}

}  // namespace

ForeignWeights find_weights(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin) {
  const DetectorReading reading = best_detector(file, keys, origin);
  refuse_other_models(reading.part, keys, origin);
  ForeignWeights weights;
  const std::string& prefix = reading.part.prefix;
  weights.part = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
  weights.layout = reading.layout;
  weights.unexpected = reading.plan.unexpected;
  const auto fetch = [&](const std::string& name) { return load_tensor(file, *reading.part.tensors.at(name)); };
  weights.tensors = gather_tensors(reading.plan, fetch, origin);
  if (!weights.layout.empty()) add_identity_shortcut(weights.tensors, keys);
  add_counters(weights.tensors, keys);
  name_classes(weights, file.metadata(), prefix);
  return weights;
}

}  // namespace rtdetr
