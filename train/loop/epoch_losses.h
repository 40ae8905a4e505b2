#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/loop/train_step.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// Means of an epoch's loss terms over its applied steps.
class EpochLosses {
 public:
  EpochLosses();
  void add(const StepReport& report);
  void clear();
  /// "loss" (the sum), then every term; NaN before the first step.
  std::vector<std::pair<std::string, double>> means() const;
  std::int64_t steps() const { return steps_; }
  /// Adds `run.loss_sums` and `run.loss_steps`; the names are told beside the state.
  void register_state(StateRegistry& registry);
  std::string names() const;  ///< comma-separated
  void set_names(const std::string& names);

 private:
  std::size_t place_of(const std::string& name);  ///< in sums_

  std::vector<std::string> names_;
  torch::Tensor sums_;  ///< [256] float64: the sum, then the terms in the order of their names
  std::int64_t steps_ = 0;
};

}  // namespace rtdetr
