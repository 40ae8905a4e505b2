#include "models/layers/fuse.h"

#include <algorithm>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/layers/batch_norm.h"
#include "models/layers/fold_shapes.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

thread_local int shapes_alone = 0;  // FoldShapesAlone that live

}  // namespace

FoldShapesAlone::FoldShapesAlone() { ++shapes_alone; }
FoldShapesAlone::~FoldShapesAlone() { --shapes_alone; }

FoldedKernel fold_by_parts(const torch::Tensor& like, const FoldPart& part) {
  constexpr std::int64_t kPartElements = 32 << 10;  // stay in the cache in float64, too
  const torch::NoGradGuard no_grad;
  const std::int64_t outputs = like.size(0), rows = std::max<std::int64_t>(
                                                 1, kPartElements * outputs / std::max<std::int64_t>(1, like.numel()));
  const bool in_place = !like.is_meta() && like.storage().use_count() == 1 &&
                        like.nbytes() == like.storage().nbytes() &&
                        (!like.is_inference() || c10::InferenceMode::is_enabled());
  FoldedKernel whole{in_place ? like.data() : torch::empty_like(like), torch::empty({outputs}, like.options())};
  for (std::int64_t first = 0; shapes_alone == 0 && first < outputs; first += rows) {
    const std::int64_t count = std::min(rows, outputs - first);
    const FoldedKernel folded = part(first, count);
    whole.weight.narrow(0, first, count).copy_(folded.weight);
    whole.bias.narrow(0, first, count).copy_(folded.bias);
  }
  return whole;
}

FoldedKernel fold_norm(const torch::Tensor& weight, const torch::Tensor& bias, const BatchNormImpl& norm,
                       std::int64_t first) {
  const torch::NoGradGuard no_grad;
  const auto wide = [&](const torch::Tensor& of_norm) {
    return of_norm.narrow(0, first, weight.size(0)).to(torch::kFloat64);
  };
  const torch::Tensor scale = wide(norm.weight) * (wide(norm.running_var) + norm.eps()).rsqrt();
  const torch::Tensor mean = wide(norm.running_mean);
  const torch::Tensor centre = bias.defined() ? mean - bias.to(torch::kFloat64) : mean;
  return {weight.to(torch::kFloat64) * scale.view({-1, 1, 1, 1}), wide(norm.bias) - centre * scale};
}

namespace {

void fuse_one(torch::nn::Module& module) {
  if (auto* fusable = dynamic_cast<Fusable*>(&module)) fusable->fuse();
}

void walk(torch::nn::Module& module) {
  fuse_one(module);
  if (auto* container = dynamic_cast<Container*>(&module)) {
    for (const auto& guest : container->guests()) fuse_one(*guest);
    container->follow_guests();
  }
  for (const auto& child : module.children()) walk(*child);
}

}  // namespace

void fuse_modules(torch::nn::Module& root) {
  walk(root);
  for (torch::Tensor& parameter : root.parameters()) parameter.set_requires_grad(false);
}

}  // namespace rtdetr
