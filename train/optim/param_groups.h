#pragma once

#include <optional>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "train/optim/lr_schedule.h"

namespace rtdetr {

struct NamedParameter {
  std::string name;
  torch::Tensor value;
  std::string called = name;  ///< what rules look at
};

/// Those that ask for a gradient, by key, in the module's order.
std::vector<NamedParameter> trainable_parameters(const torch::nn::Module& module);

/// Parameters that share a learning rate and a weight decay.
struct ParameterGroup {
  std::string label;  ///< for the summary: the rule's pattern, or "rest"
  double lr = 0;
  double weight_decay = 0;
  std::vector<NamedParameter> parameters;  ///< in the model's order
  double warmup_lr = 0;                    ///< where the warm-up begins; from there to what the schedule makes of lr

  double rate(const StepRates& rates) const { return lr * rates.factor + warmup_lr * (1 - rates.warmup); }
};

/// One line of a recipe's `param_groups`: parameters whose `called` contains a match of `pattern` (an ECMAScript
/// regular expression, searched; the official configs' look-aheads work as they stand).
struct GroupRule {
  std::string pattern;
  std::optional<double> lr;            ///< default: the run's
  std::optional<double> weight_decay;  ///< default: the run's
};

struct GroupDefaults {
  double lr = 1e-4;
  double weight_decay = 1e-4;
};

/// The official grouping (docs/reference/official_behaviour.md#optimizer-groups): one group per rule, in order, then
/// the rest with the defaults.
/// @throws ConfigError  for a pattern that is no regular expression, and for a parameter that two rules match
std::vector<ParameterGroup> group_by_rules(const std::vector<NamedParameter>& parameters,
                                           const std::vector<GroupRule>& rules, const GroupDefaults& defaults);

/// The grouping used without rules: biases and norm weights (every parameter of one dimension) are not decayed.
std::vector<ParameterGroup> group_by_shape(const std::vector<NamedParameter>& parameters,
                                           const GroupDefaults& defaults);

/// YOLO's warm-up (docs/reference/official_behaviour.md#yolos-optimizer): while all other rates rise from 0, those of
/// biases come down from `warmup_lr`. Biases, norms' among them, leave their group for one behind it, alike but for
/// that.
/// @param warmup_lr  0 leaves the groups as they are
std::vector<ParameterGroup> warm_biases(std::vector<ParameterGroup> groups, double warmup_lr);

}  // namespace rtdetr
