#include "models/weights/weight_parts.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rtdetr {
namespace {

/// Where programs put a model's weights, the best first.
constexpr std::string_view kPlaces[] = {"ema.", "model.", "state_dict.", "model_state_dict.", "params.", "module.", ""};
/// What wrappers of a module put before each of its names.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod."};
/// The one tensor that PyTorch's AveragedModel has beside the module it wraps.
constexpr std::string_view kUpdates = "n_averaged";

WeightPart part_below(const WeightsFile& file, std::string prefix) {
  const auto below = [&](const WeightTensor& tensor) {
    return tensor.name.starts_with(prefix) && std::string_view(tensor.name).substr(prefix.size()) != kUpdates;
  };
  const auto& all = file.tensors();
  for (bool unwrapped = true; std::exchange(unwrapped, false);) {
    for (const std::string_view wrapper : kWrappers) {
      const auto wrapped = [&](const WeightTensor& tensor) {
        return !below(tensor) || std::string_view(tensor.name).substr(prefix.size()).starts_with(wrapper);
      };
      if (std::none_of(all.begin(), all.end(), below) || !std::all_of(all.begin(), all.end(), wrapped)) continue;
      prefix += wrapper;
      unwrapped = true;
    }
  }
  WeightPart part{prefix};
  for (const WeightTensor& tensor : all)
    if (below(tensor)) part.tensors.emplace(tensor.name.substr(prefix.size()), &tensor);
  return part;
}

}  // namespace

std::vector<std::string> WeightPart::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

std::vector<WeightPart> parts_of(const WeightsFile& file) {
  std::vector<WeightPart> parts;
  for (const std::string_view place : kPlaces) {
    WeightPart part = part_below(file, std::string(place));
    if (!part.tensors.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace rtdetr
