#include "models/layers/batch_norm.h"

#include <optional>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/ops/joined_batch_norm.h"

namespace rtdetr {

namespace {

/// The activations that core/ops/batch_norm.h joins to the norm.
std::optional<NormActivation> joined_activation(Activation activation) {
  if (activation == Activation::kNone) return NormActivation::kNone;
  if (activation == Activation::kRelu) return NormActivation::kRelu;
  if (activation == Activation::kSilu) return NormActivation::kSilu;
  return std::nullopt;
}

}  // namespace

BatchNormImpl::BatchNormImpl(std::int64_t channels, const BatchNormOptions& options) : options_(options) {
  const auto add_affine = [&](const char* name) {
    const Tensor tensor = new_weight({channels});
    return options_.frozen ? register_buffer(name, tensor) : register_parameter(name, tensor);
  };
  weight = add_affine("weight");
  bias = add_affine("bias");
  running_mean = register_buffer("running_mean", new_weight({channels}));
  running_var = register_buffer("running_var", new_weight({channels}));
  if (options_.frozen) return;
  const auto counter = torch::TensorOptions(torch::kInt64).device(weight_device());
  num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, counter));
}

Tensor BatchNormImpl::forward(const Tensor& x, Activation activation) {
  const bool batch_statistics = measures();
  if (batch_statistics && counts_) num_batches_tracked.add_(1);
  const std::optional<NormActivation> joined = joined_activation(activation);
  if (batch_statistics && joined && suits_batch_norm_act(x)) {
    return batch_norm_act(x, weight, bias, running_mean, running_var, options_.momentum, options_.eps, *joined,
                          reduce_);
  }
  const bool learns = torch::GradMode::is_enabled() && (weight.requires_grad() || bias.requires_grad());
  if (!batch_statistics && joined && !learns && suits_fixed_batch_norm_act(x))
    return fixed_batch_norm_act(x, weight, bias, running_mean, running_var, options_.eps, *joined);
  if (batch_statistics && reduce_) {
    const Tensor y =
        joined_batch_norm(x, weight, bias, running_mean, running_var, options_.momentum, options_.eps, reduce_);
    return activate(y, activation);
  }
  return activate(torch::batch_norm(x, weight, bias, running_mean, running_var, batch_statistics, options_.momentum,
                                    options_.eps, false),
                  activation);
}

BatchCounter::BatchCounter(const torch::nn::Module& root) {
  for (const auto& module : root.modules(/*include_self=*/false)) {
    const auto norm = std::dynamic_pointer_cast<BatchNormImpl>(module);
    if (norm == nullptr || !norm->num_batches_tracked.defined()) continue;
    norm->leave_counting();
    norms_.push_back(norm);
  }
}

void BatchCounter::count() {
  std::vector<Tensor> counters;
  for (const auto& norm : norms_) {
    if (norm->measures()) counters.push_back(norm->num_batches_tracked);
  }
  if (!counters.empty()) at::_foreach_add_(counters, 1);
}

void join_batches(torch::nn::Module& root, const SumReducer& reduce) {
  for (const auto& module : root.modules()) {
    if (auto* norm = dynamic_cast<BatchNormImpl*>(module.get())) norm->join_batches(reduce);
  }
}

std::vector<Tensor> moving_statistics(torch::nn::Module& root) {
  std::vector<Tensor> statistics;
  for (const auto& module : root.modules()) {
    const auto* norm = dynamic_cast<const BatchNormImpl*>(module.get());
    if (norm == nullptr || !norm->measures()) continue;
    statistics.push_back(norm->running_mean);
    statistics.push_back(norm->running_var);
  }
  return statistics;
}

void BatchNormImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(weight, 1);
  WeightDraws::constant(bias, 0);
  WeightDraws::constant(running_mean, 0);
  WeightDraws::constant(running_var, 1);
}

}  // namespace rtdetr
