#include "train/optim/loss_scale.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "train/optim/adamw.h"

namespace rtdetr {
namespace {

const torch::Tensor kApplied = torch::zeros({}), kRefused = torch::ones({});

double factor_of(const LossScale& scale) { return scale.factor().item<double>(); }

}  // namespace

TEST_CASE("a loss is multiplied by the factor, and gradients are divided by it, to the last bit") {
  torch::Tensor weight = torch::tensor({0.3F, -1.7F}).set_requires_grad(true);
  AdamW optimizer({{.parameters = {{"weight", weight}}}});
  const torch::Tensor loss = (weight * torch::tensor({0.1F, 3e-5F})).sum();
  const LossScale scale(torch::kCPU);
  CHECK(factor_of(scale) == 65536);
  scale.scaled(loss).backward();
  CHECK(weight.grad()[0].item<float>() == 65536 * 0.1F);
  scale.unscale(optimizer);
  CHECK(torch::equal(weight.grad(), torch::tensor({0.1F, 3e-5F})));
}

TEST_CASE("a refused step halves the factor, 2000 applied ones in a row double it") {
  LossScale scale(torch::kCPU);
  scale.update(kRefused);
  CHECK(factor_of(scale) == 32768);
  for (int step = 0; step < 1999; ++step) scale.update(kApplied);
  CHECK(factor_of(scale) == 32768);
  scale.update(kRefused);
  for (int step = 0; step < 1999; ++step) scale.update(kApplied);
  CHECK(factor_of(scale) == 16384);
  scale.update(kApplied);
  CHECK(factor_of(scale) == 32768);
}

TEST_CASE("factor and count belong to the run's state") {
  StateRegistry from, to;
  LossScale before(torch::kCPU), after(torch::kCPU);
  before.register_state(from);
  after.register_state(to);
  before.update(kRefused);
  for (int step = 0; step < 1500; ++step) before.update(kApplied);
  to.restore(from.capture(), "test");
  CHECK(factor_of(after) == 32768);
  for (int step = 0; step < 500; ++step) after.update(kApplied);
  CHECK(factor_of(after) == 65536);
}

}  // namespace rtdetr
