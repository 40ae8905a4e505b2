
#include <torch/optim.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "models/layers/derived_table.h"
#include "train/optim/adamw.h"

namespace rtdetr {
namespace {

ParameterGroup group(const std::string& name, torch::Tensor value, double lr, double weight_decay) {
  return {"", lr, weight_decay, {{name, std::move(value)}}};
}

}  // namespace

TEST_CASE("fused AdamW equals LibTorch's AdamW") {
  torch::manual_seed(1);
  const auto start = torch::randn({3, 5}, torch::kFloat64);
  const auto ours = start.clone().set_requires_grad(true);
  const auto theirs = start.clone().set_requires_grad(true);
  AdamW optimizer({group("w", ours, 1e-2, 0.1)});
  torch::optim::AdamW reference({theirs}, torch::optim::AdamWOptions(1e-2).weight_decay(0.1));
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
}

TEST_CASE("channels-last weights are updated as contiguous ones") {
  torch::manual_seed(1);
  const auto start = torch::randn({4, 3, 2, 2});
  const auto gradient = torch::randn({4, 3, 2, 2});
  const auto plain = start.clone().set_requires_grad(true);
  const auto last = start.clone(torch::MemoryFormat::ChannelsLast).set_requires_grad(true);
  plain.mutable_grad() = gradient;
  last.mutable_grad() = gradient;  // contiguous: not the parameter's layout
  AdamW a({group("w", plain, 1e-2, 0.1)}), b({group("w", last, 1e-2, 0.1)});
  a.step(1);
  b.step(1);
  CHECK(torch::equal(plain, last));
}

TEST_CASE("a step counts as a change of its weights, so that tables derived from them are made anew") {
  const auto weight = torch::tensor({1.0F, 2.0F}).set_requires_grad(true);
  AdamW optimizer({group("w", weight, 0.5, 0)});
  DerivedTable tables;
  const auto table = [&] {
    const torch::NoGradGuard no_grad;
    return tables.get(weight, {1, 1}, [&] { return weight * 2; });
  };
  CHECK(torch::equal(table(), torch::tensor({2.0F, 4.0F})));
  weight.mutable_grad() = torch::ones({2});
  optimizer.step(1);
  CHECK(torch::allclose(table(), torch::tensor({1.0F, 3.0F})));  // the first step is as long as the rate
}

TEST_CASE("the gradient norm joins all gradients, and clipping scales them to the limit") {
  const auto a = torch::zeros({2}).set_requires_grad(true);
  const auto b = torch::zeros({1}).set_requires_grad(true);
  a.mutable_grad() = torch::tensor({3.0F, 0.0F});
  b.mutable_grad() = torch::tensor({4.0F});
  AdamW optimizer({group("a", a, 1, 0), group("b", b, 1, 0)});
  const auto norm = [&] { return optimizer.gradient_norm().item<double>(); };
  CHECK(norm() == Approx(5));
  clip_gradients(optimizer, optimizer.gradient_norm(), 10);
  CHECK(norm() == 5);
  clip_gradients(optimizer, optimizer.gradient_norm(), 0);
  CHECK(norm() == 5);
  clip_gradients(optimizer, optimizer.gradient_norm(), 0.1);
  CHECK(norm() == Approx(0.1).epsilon(1e-5));
}

TEST_CASE("a gradient that is not finite shows in the norm") {
  const auto a = torch::zeros({2}).set_requires_grad(true);
  AdamW optimizer({group("a", a, 1, 0)});
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    a.mutable_grad() = torch::tensor({1.0F, bad});
    CHECK_FALSE(std::isfinite(optimizer.gradient_norm().item<double>()));
  }
}

}  // namespace rtdetr
