#pragma once

#include <cstdint>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "train/run/state_registry.h"

namespace rtdetr {

struct EmaOptions {
  double decay = 0.9999;  ///< of the average once it is warm
  double ramp = 2000;     ///< updates over which the decay rises: decay · (1 − e^(−u / ramp)); 0 = at once
};

/// Decay of update number `updates` (from 1), as the official code's.
double ema_decay(const EmaOptions& options, std::int64_t updates);

/// Exponential moving average of a model's state, kept in a second instance of the model, which is therefore ready to
/// be evaluated at any time. Floating-point entries, BatchNorm statistics included, are averaged; integers stay.
class Ema {
 public:
  /// `average` becomes a copy of `live`. Both stay alive as long as this object.
  /// @throws InternalError  if their keys differ
  Ema(const torch::nn::Module& live, const torch::nn::Module& average, const EmaOptions& options = {});

  /// average := d · average + (1 − d) · live, one pass.
  void update();
  std::int64_t updates() const { return updates_; }
  /// Adds `ema.<key>` and `ema_updates`.
  void register_state(StateRegistry& registry);

 private:
  EmaOptions options_;
  const torch::nn::Module& average_module_;
  std::vector<torch::Tensor> live_, average_;
  std::int64_t updates_ = 0;
};

}  // namespace rtdetr
