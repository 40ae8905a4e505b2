#include "train/optim/layer_decay.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr std::string_view kBlocks = "blocks.", kPatches = "patch_embed.", kPositions = "pos_embed";

/// Number of blocks by what their names begin with: "backbone.net." → 12.
using Transformers = std::map<std::string, std::int64_t>;

/// The number at the beginning of "7.attn.qkv.weight".
std::optional<std::int64_t> leading_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') return std::nullopt;
  return number;
}

/// Blocks are also what a ResNet has: a transformer's have an attention.
Transformers find_transformers(const std::vector<std::string>& names) {
  Transformers found;
  for (const std::string& name : names) {
    const std::size_t at = name.rfind(kBlocks);
    if (at == std::string::npos || !name.ends_with(".attn.qkv.weight")) continue;
    const auto number = leading_number(std::string_view(name).substr(at + kBlocks.size()));
    if (!number) continue;
    std::int64_t& depth = found[name.substr(0, at)];
    depth = std::max(depth, *number + 1);
  }
  return found;
}

/// How many layers lie between a parameter and the transformer's end; 0 = behind it, or not of one.
std::int64_t layers_behind(const std::string& name, const Transformers& transformers) {
  for (const auto& [prefix, depth] : transformers) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view part = std::string_view(name).substr(prefix.size());
    if (part == kPositions || part.starts_with(kPatches)) return depth + 1;
    if (!part.starts_with(kBlocks) || part.find(".residual.") != std::string_view::npos) continue;
    if (const auto number = leading_number(part.substr(kBlocks.size()))) return depth - *number;
  }
  return 0;
}

}  // namespace

std::vector<ParameterGroup> decay_by_layer(std::vector<ParameterGroup> groups, const std::vector<std::string>& names,
                                           double decay) {
  if (decay == 1) return groups;
  const Transformers transformers = find_transformers(names);
  if (transformers.empty())
    throw ConfigError(
        "layer_decay: the model has no vision transformer whose layers could learn at rates of their own; "
        "leave it out, or slow the backbone by param_groups");
  std::vector<ParameterGroup> split;
  for (ParameterGroup& group : groups) {
    std::map<std::int64_t, ParameterGroup, std::greater<>> layers;
    for (NamedParameter& parameter : group.parameters) {
      const std::int64_t behind = layers_behind(parameter.name, transformers);
      ParameterGroup& layer = layers[behind];
      layer.lr = group.lr * std::pow(decay, behind);
      layer.weight_decay = group.weight_decay;
      layer.label = group.label + (behind > 0 ? ", " + std::to_string(behind) + " from the end" : "");
      layer.parameters.push_back(std::move(parameter));
    }
    for (auto& [behind, layer] : layers) split.push_back(std::move(layer));
  }
  return split;
}

}  // namespace rtdetr
