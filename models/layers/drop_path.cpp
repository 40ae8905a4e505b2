#include "models/layers/drop_path.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/tensor/upload.h"

namespace rtdetr {
namespace {

DropsPaths* with_paths(torch::nn::Module& module) {
  auto* drops = dynamic_cast<DropsPaths*>(&module);
  return drops != nullptr && drops->path_count() > 0 ? drops : nullptr;
}

}  // namespace

Tensor path_factors(const Tensor& uniform, double rate) { return uniform.ge(rate).to(torch::kFloat64) / (1 - rate); }

PathDraws::PathDraws(const torch::nn::Module& root) {
  for (const auto& module : root.modules(/*include_self=*/false))
    if (with_paths(*module) != nullptr) modules_.push_back(module);
}

void PathDraws::draw(std::int64_t batch, std::int64_t rank, std::int64_t world, const torch::Generator& generator,
                     torch::Device device) const {
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  for (const auto& module : modules_) total += counts.emplace_back(with_paths(*module)->path_count());
  const auto options = torch::TensorOptions(torch::kFloat).device(generator.device());
  const Tensor joint = torch::rand({batch * world, total}, generator, options);
  const Tensor own = joint.slice(0, rank, std::nullopt, world).t().contiguous();  // [total, B]
  const auto parts = upload(own, device).split_with_sizes(counts);
  for (std::size_t i = 0; i < modules_.size(); ++i) with_paths(*modules_[i])->draw_paths(parts[i]);
}

}  // namespace rtdetr
