#include "train/optim/param_groups.h"

#include <regex>

#include "core/base/error.h"
#include "train/optim/name_pattern.h"

namespace rtdetr {

std::vector<NamedParameter> trainable_parameters(const torch::nn::Module& module) {
  std::vector<NamedParameter> parameters;
  for (const auto& item : module.named_parameters()) {
    if (item.value().requires_grad()) parameters.push_back({item.key(), item.value()});
  }
  return parameters;
}

std::vector<ParameterGroup> group_by_rules(const std::vector<NamedParameter>& parameters,
                                           const std::vector<GroupRule>& rules, const GroupDefaults& defaults) {
  std::vector<ParameterGroup> groups;
  std::vector<std::regex> patterns;
  for (const GroupRule& rule : rules) {
    patterns.push_back(name_pattern("param_groups", rule.pattern));
    groups.push_back(
        {rule.pattern, rule.lr.value_or(defaults.lr), rule.weight_decay.value_or(defaults.weight_decay), {}});
  }
  ParameterGroup rest{"rest", defaults.lr, defaults.weight_decay, {}};
  for (const NamedParameter& parameter : parameters) {
    ParameterGroup* home = nullptr;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!std::regex_search(parameter.called, patterns[i])) continue;
      if (home != nullptr) {
        throw ConfigError("param_groups: '" + home->label + "' and '" + groups[i].label + "' both match " +
                          parameter.name + "; every parameter may belong to one group");
      }
      home = &groups[i];
    }
    (home != nullptr ? *home : rest).parameters.push_back(parameter);
  }
  groups.push_back(std::move(rest));
  return groups;
}

std::vector<ParameterGroup> group_by_shape(const std::vector<NamedParameter>& parameters,
                                           const GroupDefaults& defaults) {
  ParameterGroup weights{"weights", defaults.lr, defaults.weight_decay, {}};
  ParameterGroup vectors{"biases and norms", defaults.lr, 0, {}};
  for (const NamedParameter& parameter : parameters) {
    (parameter.value.dim() > 1 ? weights : vectors).parameters.push_back(parameter);
  }
  return {std::move(weights), std::move(vectors)};
}

std::vector<ParameterGroup> warm_biases(std::vector<ParameterGroup> groups, double warmup_lr) {
  if (warmup_lr == 0) return groups;
  std::vector<ParameterGroup> split;
  for (ParameterGroup& group : groups) {
    ParameterGroup others{group.label, group.lr, group.weight_decay, {}};
    ParameterGroup biases{group.label + ", its biases", group.lr, group.weight_decay, {}, warmup_lr};
    for (NamedParameter& parameter : group.parameters)
      (parameter.name.ends_with("bias") ? biases : others).parameters.push_back(std::move(parameter));
    for (ParameterGroup* part : {&others, &biases})
      if (!part->parameters.empty()) split.push_back(std::move(*part));
  }
  return split;
}

}  // namespace rtdetr
