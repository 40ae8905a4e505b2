#include "train/optim/loss_scale.h"

#include <torch/types.h>

namespace rtdetr {
namespace {

constexpr double kFirstFactor = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;  // steps

}  // namespace

LossScale::LossScale(torch::Device device)
    : factor_(torch::full({}, kFirstFactor, torch::dtype(torch::kFloat32).device(device))),
      good_steps_(torch::zeros({}, torch::dtype(torch::kInt32).device(device))) {}

void LossScale::unscale(Optimizer& optimizer) const { optimizer.scale_gradients(factor_.reciprocal()); }

void LossScale::update(const torch::Tensor& refused) {
  at::_amp_update_scale_(factor_, good_steps_, refused, kGrowth, kBackoff, kGrowthInterval);
}

void LossScale::register_state(StateRegistry& registry) {
  registry.add("loss_scale.factor", factor_);
  registry.add("loss_scale.good_steps", good_steps_);
}

}  // namespace rtdetr
