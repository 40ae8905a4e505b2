#include "models/layers/fuse.h"

#include <torch/torch.h>

#include "models/layers/batch_norm.h"

namespace rtdetr {

FoldedKernel fold_norm(const torch::Tensor& weight, const torch::Tensor& bias, const BatchNormImpl& norm) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor scale =
      norm.weight.to(torch::kFloat64) * (norm.running_var.to(torch::kFloat64) + norm.eps()).rsqrt();
  const torch::Tensor mean = norm.running_mean.to(torch::kFloat64);
  const torch::Tensor centre = bias.defined() ? mean - bias.to(torch::kFloat64) : mean;
  return {weight.to(torch::kFloat64) * scale.view({-1, 1, 1, 1}), norm.bias.to(torch::kFloat64) - centre * scale};
}

namespace {

void walk(torch::nn::Module& module) {
  if (auto* fusable = dynamic_cast<Fusable*>(&module)) fusable->fuse();
  for (const auto& child : module.children()) walk(*child);
}

}  // namespace

void fuse_modules(torch::nn::Module& root) {
  walk(root);
  for (torch::Tensor& parameter : root.parameters()) parameter.set_requires_grad(false);
}

}  // namespace rtdetr
