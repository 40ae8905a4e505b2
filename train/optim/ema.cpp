#include "train/optim/ema.h"

#include <cmath>
#include <set>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

double ema_decay(const EmaOptions& options, std::int64_t updates) {
  if (options.ramp <= 0) return options.decay;
  return options.decay * (1 - std::exp(-static_cast<double>(updates) / options.ramp));
}

Ema::Ema(const torch::nn::Module& live, const torch::nn::Module& average, const EmaOptions& options)
    : options_(options), average_module_(average) {
  torch::NoGradGuard no_grad;
  const auto from = named_state(live);
  const auto to = named_state(average);
  RTDETR_CHECK(from.size() == to.size(), "the average has other keys than the model");
  std::set<const void*> seen;  // a tensor that the state lists several times is averaged once
  for (std::size_t i = 0; i < from.size(); ++i) {
    RTDETR_CHECK(from[i].first == to[i].first,
                 "the average has " + to[i].first + " where the model has " + from[i].first);
    torch::Tensor target = to[i].second.detach();
    target.copy_(from[i].second);
    if (!target.is_floating_point() || !seen.insert(target.const_data_ptr()).second) continue;
    live_.push_back(from[i].second.detach());
    average_.push_back(target);
  }
}

void Ema::update() {
  torch::NoGradGuard no_grad;
  ++updates_;
  at::_foreach_lerp_(average_, live_, 1 - ema_decay(options_, updates_));
}

void Ema::register_state(StateRegistry& registry) {
  registry.add_module("ema.", average_module_);
  registry.add("ema_updates", &updates_);
}

}  // namespace rtdetr
