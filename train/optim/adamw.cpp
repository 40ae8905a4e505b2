#include "train/optim/adamw.h"

#include <optional>
#include <string>
#include <utility>

#include <torch/types.h>

namespace rtdetr {
namespace {

constexpr double kEpsilon = 1e-8;  // added to the root of the second moment

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : Optimizer(std::move(groups)), options_(options) {
  for (const ParameterGroup& group : this->groups()) {
    std::vector<Moments>& moments = moments_.emplace_back();
    for (const NamedParameter& parameter : group.parameters) {
      const torch::Tensor value = parameter.value.detach();
      moments.push_back({torch::zeros_like(value), torch::zeros_like(value),
                         torch::zeros({}, value.options().dtype(torch::kFloat32))});
    }
  }
}

AdamW::Update AdamW::update_of(const ParameterGroup& group, const std::vector<Moments>& moments) {
  Update update;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) {
    const torch::Tensor& value = group.parameters[i].value;
    if (!value.grad().defined()) continue;
    update.values.push_back(value.detach());
    update.grads.push_back(gradient_like(value));
    update.exp_avgs.push_back(moments[i].exp_avg);
    update.exp_avg_sqs.push_back(moments[i].exp_avg_sq);
    update.steps.push_back(moments[i].step);
  }
  return update;
}

void AdamW::step(const StepRates& rates, const torch::Tensor& refused) {
  torch::NoGradGuard no_grad;
  const auto found_inf = refused.defined() ? std::optional<torch::Tensor>(refused) : std::nullopt;
  std::vector<Update> updates;
  std::vector<torch::Tensor> counters;
  for (std::size_t g = 0; g < groups().size(); ++g) {
    updates.push_back(update_of(groups()[g], moments_[g]));
    counters.insert(counters.end(), updates[g].steps.begin(), updates[g].steps.end());
  }
  if (counters.empty()) return;
  found_inf ? at::_foreach_add_(counters, 1 - *found_inf) : at::_foreach_add_(counters, 1);
  for (std::size_t g = 0; g < groups().size(); ++g) {
    Update& u = updates[g];
    if (u.values.empty()) continue;
    at::_fused_adamw_(u.values, u.grads, u.exp_avgs, u.exp_avg_sqs, {}, u.steps, groups()[g].rate(rates),
                      options_.beta1, options_.beta2, groups()[g].weight_decay, kEpsilon, /*amsgrad=*/false,
                      /*maximize=*/false, /*grad_scale=*/{}, found_inf);
    count_writes(u.values);
  }
}

void AdamW::register_state(StateRegistry& registry) {
  for (std::size_t g = 0; g < groups().size(); ++g) {
    for (std::size_t i = 0; i < groups()[g].parameters.size(); ++i) {
      const std::string& name = groups()[g].parameters[i].name;
      registry.add("adamw.exp_avg." + name, moments_[g][i].exp_avg);
      registry.add("adamw.exp_avg_sq." + name, moments_[g][i].exp_avg_sq);
      registry.add("adamw.step." + name, moments_[g][i].step);
    }
  }
}

}  // namespace rtdetr
