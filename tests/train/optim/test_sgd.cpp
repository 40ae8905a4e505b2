#include "train/optim/sgd.h"

#include <algorithm>

#include <torch/optim.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

ParameterGroup sgd_group(torch::Tensor value, double lr, double weight_decay, double warmup_lr = 0) {
  return {"", lr, weight_decay, {{"w", std::move(value)}}, warmup_lr};
}

torch::Tensor trained(const torch::Tensor& start) { return start.clone().set_requires_grad(true); }

}  // namespace

TEST_CASE("fused SGD equals LibTorch's, with Nesterov's momentum or none, and decay") {
  const double momentum = GENERATE(0.937, 0.0);
  torch::manual_seed(1);
  const auto start = torch::randn({3, 5}, torch::kFloat64);
  const auto ours = trained(start), theirs = trained(start);
  Sgd optimizer({sgd_group(ours, 1e-2, 0.1)}, {.momentum = momentum});
  torch::optim::SGD reference(
      {theirs}, torch::optim::SGDOptions(1e-2).momentum(momentum).nesterov(momentum > 0).weight_decay(0.1));
  for (int step = 0; step < 20; ++step) {
    const auto target = torch::randn({3, 5}, torch::kFloat64);
    for (const auto& parameter : {ours, theirs}) {
      parameter.mutable_grad() = torch::Tensor();
      (parameter - target).pow(2).sum().backward();
    }
    optimizer.step(1);
    reference.step();
  }
  CHECK(torch::allclose(ours, theirs, 1e-12, 1e-13));
  CHECK_FALSE(torch::allclose(ours, start, 1e-3, 1e-3));
}

TEST_CASE("SGD's warm-up brings rate and momentum from where they begin to their own") {
  const auto value = trained(torch::zeros({1}, torch::kFloat64));
  Sgd optimizer({sgd_group(value, 0.01, 0, 0.1)}, {.momentum = 0.9, .warmup_momentum = 0.5});
  double expected = 0, buffer = 0;
  for (int step = 0; step < 6; ++step) {
    const double share = std::min(1.0, step / 4.0), shape = 1 - 0.1 * step;
    const double rate = 0.1 + (0.01 * shape - 0.1) * share, momentum = 0.5 + 0.4 * share;
    const double gradient = 1 + step;
    value.mutable_grad() = torch::full({1}, gradient, torch::kFloat64);
    optimizer.step({share * shape, share});
    buffer = momentum * buffer + gradient;
    expected -= rate * (gradient + momentum * buffer);
    CHECK(value.item<double>() == Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("SGD updates channels-last weights as contiguous ones") {
  torch::manual_seed(1);
  const auto start = torch::randn({4, 3, 2, 2}), gradient = torch::randn({4, 3, 2, 2});
  const auto plain = trained(start);
  const auto last = start.clone(torch::MemoryFormat::ChannelsLast).set_requires_grad(true);
  Sgd a({sgd_group(plain, 1e-2, 0.1)}), b({sgd_group(last, 1e-2, 0.1)});
  for (int step = 0; step < 2; ++step) {
    plain.mutable_grad() = gradient;
    last.mutable_grad() = gradient;  // contiguous: not the parameter's layout
    a.step(1);
    b.step(1);
  }
  CHECK(torch::equal(plain, last));
}
}  // namespace rtdetr
