#include "train/optim/optimizer.h"

#include <set>
#include <string>
#include <utility>

#include <torch/types.h>

#include "core/base/check.h"

namespace rtdetr {
namespace {

bool same_layout(const torch::Tensor& a, const torch::Tensor& b) {
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

}  // namespace

torch::Tensor gradient_like(const torch::Tensor& value) {
  torch::Tensor grad = value.grad();
  return same_layout(value, grad) ? grad : torch::empty_like(value).copy_(grad);
}

void count_writes(const std::vector<torch::Tensor>& values) {
  for (const torch::Tensor& value : values) value.unsafeGetTensorImpl()->bump_version();
}

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  std::set<std::string> seen;
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters)
      RTDETR_CHECK(seen.insert(parameter.name).second, "parameter " + parameter.name + " is in two groups");
  }
}

std::vector<torch::Tensor> Optimizer::gradients() const {
  std::vector<torch::Tensor> gradients;
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      if (parameter.value.grad().defined()) gradients.push_back(parameter.value.grad());
    }
  }
  return gradients;
}

torch::Tensor Optimizer::gradient_norm() const {
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> all = gradients();
  if (!all.empty()) return torch::stack(at::_foreach_norm(all)).norm();
  const bool nothing = groups_.empty() || groups_.front().parameters.empty();
  const torch::TensorOptions place =
      nothing ? torch::TensorOptions() : torch::TensorOptions(groups_.front().parameters.front().value.device());
  return torch::zeros({}, place.dtype(torch::kFloat32));
}

void Optimizer::scale_gradients(const torch::Tensor& factor) {
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> all = gradients();
  if (!all.empty()) at::_foreach_mul_(all, factor.to(all.front().scalar_type()));
}

void Optimizer::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.value.mutable_grad().reset();
  }
}

void clip_gradients(Optimizer& optimizer, const torch::Tensor& norm, double max_norm) {
  if (max_norm > 0) optimizer.scale_gradients((max_norm / (norm.to(torch::kFloat64) + 1e-6)).clamp_max(1));
}

}  // namespace rtdetr
