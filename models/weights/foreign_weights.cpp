#include "models/weights/foreign_weights.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <torch/torch.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr const char* kCounter = "num_batches_tracked";

/// Where programs put a model's weights, the best first.
constexpr std::string_view kParts[] = {"ema.", "model.", "state_dict.", "model_state_dict.", "params.", ""};
/// What wrappers of a module put before each of its names.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod."};

/// A part of the file: its tensors by the names that they have in it.
struct Part {
  std::string prefix;
  std::map<std::string, const WeightTensor*> tensors;
};

Part part_below(const WeightsFile& file, std::string prefix) {
  const auto below = [&](const WeightTensor& tensor) { return tensor.name.starts_with(prefix); };
  Part part;
  for (bool unwrapped = true; std::exchange(unwrapped, false);) {
    for (const std::string_view wrapper : kWrappers) {
      const auto wrapped = [&](const WeightTensor& tensor) {
        return !below(tensor) || std::string_view(tensor.name).substr(prefix.size()).starts_with(wrapper);
      };
      const auto& all = file.tensors();
      if (std::none_of(all.begin(), all.end(), below) || !std::all_of(all.begin(), all.end(), wrapped)) continue;
      prefix += wrapper;
      unwrapped = true;
    }
  }
  for (const WeightTensor& tensor : file.tensors())
    if (below(tensor)) part.tensors.emplace(tensor.name.substr(prefix.size()), &tensor);
  part.prefix = prefix;
  return part;
}

Part best_part(const WeightsFile& file, const std::set<std::string>& keys) {
  Part best;
  std::ptrdiff_t best_fit = -1;
  for (const std::string_view prefix : kParts) {
    Part part = part_below(file, std::string(prefix));
    const std::ptrdiff_t fit = std::count_if(part.tensors.begin(), part.tensors.end(),
                                             [&](const auto& item) { return keys.contains(item.first); });
    if (fit <= best_fit) continue;
    best_fit = fit;
    best = std::move(part);
  }
  return best;
}

/// Where the model has a norm, the file has its convolution's bias.
bool is_fused(const Part& part, const std::set<std::string>& keys) {
  constexpr std::string_view kNorms[] = {".bn.running_var", ".norm.running_var"};
  const auto folded = [&](const std::string& key, std::string_view norm) {
    return key.ends_with(norm) && !part.tensors.contains(key) &&
           part.tensors.contains(key.substr(0, key.size() - norm.size()) + ".conv.bias");
  };
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return folded(key, kNorms[0]) || folded(key, kNorms[1]); });
}

void refuse_other_models(const Part& part, const std::set<std::string>& keys, const std::string& origin) {
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
    const std::string sibling = key.substr(0, key.size() - std::string_view(kCounter).size()) + "running_var";
    if (tensors.contains(sibling)) tensors.emplace(key, torch::zeros({}, torch::kInt64));
  }
}

std::int64_t classes_among(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors)
    if (name.ends_with("enc_score_head.weight") && tensor.dim() > 0) return tensor.size(0);
  return 0;
}

void name_classes(ForeignWeights& weights, const WeightsFile& file, const std::string& prefix) {
  const std::int64_t classes = classes_among(weights.tensors);
  for (std::int64_t i = 0; i < classes; ++i) {
    const auto name = file.metadata().find(prefix + "names." + std::to_string(i));
    if (name == file.metadata().end()) break;
    weights.names.push_back(name->second);
  }
  if (!weights.names.empty() || classes != static_cast<std::int64_t>(coco_names().size())) return;
  weights.names = coco_names();
  weights.names_are_cocos = true;
}

}  // namespace

ForeignWeights find_weights(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin) {
  const Part part = best_part(file, keys);
  refuse_other_models(part, keys, origin);
  ForeignWeights weights;
  weights.part = part.prefix.substr(0, part.prefix.empty() ? 0 : part.prefix.size() - 1);
  for (const auto& [name, tensor] : part.tensors) weights.tensors.emplace(name, load_tensor(file, *tensor));
  add_counters(weights.tensors, keys);
  name_classes(weights, file, part.prefix);
  return weights;
}

}  // namespace rtdetr
