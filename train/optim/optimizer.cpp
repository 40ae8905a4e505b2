#include "train/optim/optimizer.h"

#include <optional>
#include <set>

#include <torch/torch.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr double kEpsilon = 1e-8;  // added to the root of the second moment

/// The fused kernel walks parameter, gradient and moments as flat memory, so they must agree in layout.
bool same_layout(const torch::Tensor& a, const torch::Tensor& b) {
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : options_(options), groups_(std::move(groups)) {
  std::set<std::string> seen;
  for (const ParameterGroup& group : groups_) {
    std::vector<Moments>& moments = moments_.emplace_back();
    for (const NamedParameter& parameter : group.parameters) {
      RTDETR_CHECK(seen.insert(parameter.name).second, "parameter " + parameter.name + " is in two groups");
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
    torch::Tensor grad = value.grad();
    if (!grad.defined()) continue;
    if (!same_layout(value, grad)) grad = torch::empty_like(value).copy_(grad);
    update.values.push_back(value.detach());
    update.grads.push_back(grad);
    update.exp_avgs.push_back(moments[i].exp_avg);
    update.exp_avg_sqs.push_back(moments[i].exp_avg_sq);
    update.steps.push_back(moments[i].step);
  }
  return update;
}

std::vector<torch::Tensor> AdamW::gradients() const {
  std::vector<torch::Tensor> gradients;
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      if (parameter.value.grad().defined()) gradients.push_back(parameter.value.grad());
    }
  }
  return gradients;
}

torch::Tensor AdamW::gradient_norm() const {
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> all = gradients();
  if (!all.empty()) return torch::stack(at::_foreach_norm(all)).norm();
  const bool nothing = moments_.empty() || moments_.front().empty();
  return torch::zeros({}, nothing ? torch::TensorOptions() : moments_.front().front().step.options());
}

void AdamW::scale_gradients(const torch::Tensor& factor) {
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> all = gradients();
  if (!all.empty()) at::_foreach_mul_(all, factor.to(all.front().scalar_type()));
}

void AdamW::step(double lr_factor, const torch::Tensor& refused) {
  torch::NoGradGuard no_grad;
  const auto found_inf = refused.defined() ? std::optional<torch::Tensor>(refused) : std::nullopt;
  std::vector<Update> updates;
  std::vector<torch::Tensor> counters;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    updates.push_back(update_of(groups_[g], moments_[g]));
    counters.insert(counters.end(), updates[g].steps.begin(), updates[g].steps.end());
  }
  if (counters.empty()) return;
  found_inf ? at::_foreach_add_(counters, 1 - *found_inf) : at::_foreach_add_(counters, 1);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Update& u = updates[g];
    if (u.values.empty()) continue;
    at::_fused_adamw_(u.values, u.grads, u.exp_avgs, u.exp_avg_sqs, {}, u.steps, groups_[g].lr * lr_factor,
                      options_.beta1, options_.beta2, groups_[g].weight_decay, kEpsilon, /*amsgrad=*/false,
                      /*maximize=*/false, /*grad_scale=*/{}, found_inf);
    // The fused kernel does not count its writes, which tables derived from a weight go by (layers/derived_table.h).
    for (const torch::Tensor& value : u.values) value.unsafeGetTensorImpl()->bump_version();
  }
}

void AdamW::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.value.mutable_grad().reset();
  }
}

void AdamW::register_state(StateRegistry& registry) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i) {
      const std::string& name = groups_[g].parameters[i].name;
      registry.add("adamw.exp_avg." + name, moments_[g][i].exp_avg);
      registry.add("adamw.exp_avg_sq." + name, moments_[g][i].exp_avg_sq);
      registry.add("adamw.step." + name, moments_[g][i].step);
    }
  }
}

void clip_gradients(AdamW& optimizer, const torch::Tensor& norm, double max_norm) {
  if (max_norm > 0) optimizer.scale_gradients((max_norm / (norm.to(torch::kFloat64) + 1e-6)).clamp_max(1));
}

}  // namespace rtdetr
