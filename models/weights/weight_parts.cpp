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

bool is_below(const WeightTensor& tensor, const std::string& prefix) {
  return tensor.name.starts_with(prefix) && std::string_view(tensor.name).substr(prefix.size()) != kUpdates;
}

/// The prefix with what wrappers put behind it.
std::string past_wrappers(const WeightsFile& file, std::string prefix) {
  const auto below = [&](const WeightTensor& tensor) { return is_below(tensor, prefix); };
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
  return prefix;
}

}  // namespace

std::string WeightPart::name() const { return prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1); }

std::vector<std::string> WeightPart::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

WeightPart part_below(const WeightsFile& file, const std::string& prefix) {
  WeightPart part{prefix};
  for (const WeightTensor& tensor : file.tensors())
    if (is_below(tensor, prefix)) part.tensors.emplace(tensor.name.substr(prefix.size()), &tensor);
  return part;
}

std::vector<WeightPart> parts_of(const WeightsFile& file) {
  std::vector<WeightPart> parts;
  for (const std::string_view place : kPlaces) {
    WeightPart part = part_below(file, past_wrappers(file, std::string(place)));
    if (!part.tensors.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace rtdetr
