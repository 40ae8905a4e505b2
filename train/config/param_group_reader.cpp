#include "train/config/param_group_reader.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "train/optim/name_pattern.h"

namespace rtdetr {
namespace {

struct ReadGroup {
  ParamGroupRule rule;
  std::optional<double> lr;
};

using Problems = std::vector<std::string>;

/// As lr0= and weight_decay= have it; of a scale what nobody needs.
double largest(const std::string& name) { return name == "lr" ? 10 : name == "weight_decay" ? 1 : 1000; }

void read_entry(const std::string& name, const YamlNode& node, const std::string& where, ReadGroup& group,
                Problems& problems) {
  static const std::vector<std::string> kNames = {"match", "lr_scale", "lr", "weight_decay"};
  const std::optional<double> value = node.as_double();
  if (name == "match") {
    group.rule.match = node.scalar;
  } else if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
    problems.push_back(where + ": unknown key '" + name + "' of a parameter group" + did_you_mean(name, kNames));
  } else if (value && *value >= 0 && *value <= largest(name)) {
    if (name == "lr_scale") group.rule.lr_scale = *value;
    if (name == "lr") group.lr = *value;
    if (name == "weight_decay") group.rule.weight_decay = *value;
  } else {
    problems.push_back(where + ": " + name + " must be a number from 0 to " + format_short(largest(name)) + ", not " +
                       node.describe());
  }
}

ReadGroup read_group(const YamlDocument& recipe, const YamlNode& map, Problems& problems) {
  ReadGroup group;
  ParamGroupRule& rule = group.rule;
  rule.where = recipe.where(map);
  for (std::size_t i = 0; i < map.entries.size(); ++i) {
    const auto& [name, node] = map.entries[i];
    read_entry(name, node, recipe.where(map.key_lines[i]), group, problems);
  }
  if (rule.match.empty()) problems.push_back(rule.where + ": a parameter group needs match: and a regular expression");
  if (group.lr && map.find("lr_scale"))
    problems.push_back(rule.where + ": lr and lr_scale exclude each other; keep one");
  try {
    name_pattern(rule.where, rule.match);
  } catch (const ConfigError& error) {
    problems.emplace_back(error.what());
  }
  return group;
}

}  // namespace

void ParamGroupReader::read(const YamlDocument& recipe, const YamlNode& list, Settings& settings, Problems& problems) {
  if (!list.is_sequence()) {
    problems.push_back(recipe.where(list) + ": param_groups must be a list of maps, not " + list.describe());
    return;
  }
  for (const YamlNode& map : list.items) {
    if (!map.is_map()) {
      problems.push_back(recipe.where(map) +
                         ": a parameter group is a map such as {match: backbone, lr_scale: 0.1}, not " +
                         map.describe());
      continue;
    }
    ReadGroup group = read_group(recipe, map, problems);
    settings.param_groups.push_back(std::move(group.rule));
    lrs_.push_back(group.lr);
  }
  settings.given["param_groups"] = recipe.where(list);
}

void ParamGroupReader::settle(Settings& settings) const {
  for (std::size_t i = 0; i < lrs_.size(); ++i)
    if (lrs_[i]) settings.param_groups[i].lr_scale = *lrs_[i] / settings.lr0;
}

}  // namespace rtdetr
