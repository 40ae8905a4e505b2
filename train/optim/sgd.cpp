#include "train/optim/sgd.h"

#include <optional>
#include <utility>

#include <torch/types.h>

namespace rtdetr {

Sgd::Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options)
    : Optimizer(std::move(groups)), options_(options) {
  for (const ParameterGroup& group : this->groups()) {
    std::vector<torch::Tensor>& buffers = buffers_.emplace_back();
    for (const NamedParameter& parameter : group.parameters)
      buffers.push_back(torch::zeros_like(parameter.value.detach()));
  }
}

void Sgd::step(const StepRates& rates, const torch::Tensor& refused) {
  torch::NoGradGuard no_grad;
  const auto found_inf = refused.defined() ? std::optional<torch::Tensor>(refused) : std::nullopt;
  const double momentum = options_.momentum + (options_.warmup_momentum - options_.momentum) * (1 - rates.warmup);
  for (std::size_t g = 0; g < groups().size(); ++g) {
    const ParameterGroup& group = groups()[g];
    std::vector<torch::Tensor> values, grads, buffers;
    for (std::size_t i = 0; i < group.parameters.size(); ++i) {
      const torch::Tensor& value = group.parameters[i].value;
      if (!value.grad().defined()) continue;
      values.push_back(value.detach());
      grads.push_back(gradient_like(value));
      buffers.push_back(buffers_[g][i]);
    }
    if (values.empty()) continue;
    // A buffer of zeros makes the first step what the kernel would make of it by is_first_step. Without momentum the
    // kernel takes no buffers, and they keep what they have.
    const bool has_momentum = momentum > 0;
    if (!has_momentum) buffers.clear();
    at::_fused_sgd_(values, grads, buffers, group.weight_decay, momentum, group.rate(rates), /*dampening=*/0,
                    /*nesterov=*/has_momentum, /*maximize=*/false, /*is_first_step=*/false, /*grad_scale=*/{},
                    found_inf);
    count_writes(values);
  }
}

void Sgd::register_state(StateRegistry& registry) {
  for (std::size_t g = 0; g < groups().size(); ++g) {
    for (std::size_t i = 0; i < groups()[g].parameters.size(); ++i)
      registry.add("sgd.momentum." + groups()[g].parameters[i].name, buffers_[g][i]);
  }
}

}  // namespace rtdetr
