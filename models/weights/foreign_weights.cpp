#include "models/weights/foreign_weights.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <torch/types.h>

#include "core/base/error.h"
#include "models/weights/class_names.h"
#include "models/weights/foreign_family.h"
#include "models/weights/key_conversion.h"
#include "models/weights/key_tables.h"

namespace rtdetr {
namespace {

/// The ways in which a detector's names are read; the first is "as they are".
std::vector<ReadingWay> detector_ways(const std::string& origin) {
  static const KeyLayout v2_as_v1 = reversed(v1_beside_v2_layout(), "official RT-DETR v2");
  std::vector<ReadingWay> ways;
  for (const KeyLayout* layout :
       {&our_layout(), &hugging_face_layout(OfficialVersion::kV1), &hugging_face_layout(OfficialVersion::kV2),
        &hugging_face_dfine_layout(), &v1_beside_v2_layout(), &v2_as_v1})
    ways.push_back({layout->name, [layout, origin](const auto& names) { return plan_keys(*layout, names, origin); }});
  return ways;
}

void refuse_other_decoder(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin) {
  const std::string other = words_for_other_decoder(file);
  const auto refines = [](const std::string& key) { return key.find("pre_bbox_head") != std::string::npos; };
  if (!other.empty() && std::ranges::none_of(keys, refines)) throw CheckpointError(origin + ": " + other);
}

/// Where the model has a norm, the file has its convolution's bias: one is enough, for its own values would stay.
bool lacks_norms(const ShapeMap& shapes, const std::set<std::string>& keys) {
  constexpr std::string_view kNorms[] = {".bn.running_var", ".norm.running_var"};
  const auto folded = [&](const std::string& key, std::string_view norm) {
    return key.ends_with(norm) && !shapes.contains(key) &&
           shapes.contains(key.substr(0, key.size() - norm.size()) + ".conv.bias");
  };
  return std::ranges::any_of(keys,
                             [&](const std::string& key) { return folded(key, kNorms[0]) || folded(key, kNorms[1]); });
}

void refuse_fused(const ShapeMap& shapes, const std::set<std::string>& keys, const std::string& origin) {
  if (!lacks_norms(shapes, keys)) return;
  throw CheckpointError(origin +
                        ": a fused model: its normalisation is folded into its convolutions, which is not undone, so "
                        "a training cannot begin with it; take the file before fusing");
}

/// Files from PaddlePaddle, and frozen norms, do without them. @return  those that were added
std::vector<std::string> add_counters(TensorMap& tensors, const std::set<std::string>& keys) {
  constexpr std::string_view kCounter = "num_batches_tracked";
  std::vector<std::string> added;
  for (const std::string& key : keys) {
    if (!key.ends_with(kCounter) || tensors.contains(key)) continue;
    if (!tensors.contains(key.substr(0, key.size() - kCounter.size()) + "running_var")) continue;
    tensors.emplace(key, torch::zeros({}, torch::kInt64));
    added.push_back(key);
  }
  return added;
}

/// D-FINE's constants have two names in the official state, and Hugging Face writes one.
void add_second_names(TensorMap& tensors, const std::set<std::string>& keys) {
  for (const std::string name : {"up", "reg_scale"}) {
    const auto known = tensors.find("decoder.decoder." + name);
    if (known != tensors.end() && keys.contains("decoder." + name)) tensors.emplace("decoder." + name, known->second);
  }
}

void name_classes(ForeignWeights& weights, const WeightsFile& file, const WeightReading& reading,
                  const ShapeMap& shapes) {
  const ScoreHead scores = score_head_of(shapes);
  const std::int64_t classes = scores.shape.empty() ? 0 : scores.shape.front();
  weights.names = names_below(file.metadata(), reading.part.prefix + "names.", classes);
  if (weights.names.empty()) weights.names = names_below(file.metadata(), "config.id2label.", classes);
  const auto& cocos = scores.key.ends_with(kDinoScores) ? coco_names_by_id() : coco_names();
  if (!weights.names.empty() || classes != static_cast<std::int64_t>(cocos.size())) return;
  weights.names = cocos;
  weights.names_are_cocos = true;
}

}  // namespace

std::int64_t add_identity_shortcut(TensorMap& tensors, const std::set<std::string>& keys) {
  const std::string block = "backbone.res_layers.0.blocks.0.", projection = block + "short.conv.weight";
  const auto branch = tensors.find(block + "branch2a.conv.weight");
  const bool basic = branch != tensors.end() && !tensors.contains(block + "branch2c.conv.weight");
  if (!keys.contains(projection) || tensors.contains(projection) || !basic) return 0;
  if (branch->second.dim() != 4 || branch->second.size(0) != branch->second.size(1)) return 0;
  const std::int64_t channels = branch->second.size(0);
  const std::string norm = block + "short.norm.";
  tensors[projection] = torch::eye(channels).view({channels, channels, 1, 1});
  tensors[norm + "weight"] = torch::ones({channels});
  tensors[norm + "bias"] = torch::zeros({channels});
  tensors[norm + "running_mean"] = torch::zeros({channels});
  tensors[norm + "running_var"] = torch::full({channels}, 1 - kUsualNormEps);
  return 5;
}

ForeignWeights read_weights(const WeightsFile& file, const WeightReading& reading, const std::set<std::string>& keys,
                            const std::string& origin) {
  ForeignWeights weights;
  weights.part = reading.part.name();
  weights.layout = reading.layout;
  weights.left_out = reading.plan.dropped;
  weights.unexpected = reading.plan.unexpected;
  weights.joined = std::ranges::count_if(
      reading.plan.targets, [](const auto& target) { return target.second.front().third != Third::kWhole; });
  const auto fetch = [&](const std::string& name) { return load_tensor(file, *reading.part.tensors.at(name)); };
  weights.tensors = gather_tensors(reading.plan, fetch, origin);
  add_second_names(weights.tensors, keys);
  weights.counters = add_counters(weights.tensors, keys);
  weights.norm_eps = norm_eps_in(file, reading.part.prefix, origin);
  return weights;
}

ForeignWeights find_weights(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin) {
  const auto is_wanted = [&](const std::string& key) { return keys.contains(key); };
  const WeightReading reading = best_reading(file, detector_ways(origin), is_wanted);
  refuse_other_decoder(file, keys, origin);
  const ShapeMap shapes = shapes_of(reading, origin);
  refuse_fused(shapes, keys, origin);
  ForeignWeights weights = read_weights(file, reading, keys, origin);
  if (!weights.layout.empty() && add_identity_shortcut(weights.tensors, keys) > 0) {
    const std::vector<std::string> its_own = add_counters(weights.tensors, keys);
    weights.counters.insert(weights.counters.end(), its_own.begin(), its_own.end());
  }
  name_classes(weights, file, reading, shapes);
  return weights;
}

}  // namespace rtdetr
