// What holds for every optimizer.
#include "train/optim/make_optimizer.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"

namespace rtdetr {
namespace {

using torch::Tensor;

/// A matrix and a vector, which Muon treats unlike, and their optimizer.
struct Trained {
  Tensor matrix = torch::ones({16, 20}).set_requires_grad(true), vector = torch::ones({4}).set_requires_grad(true);
  std::unique_ptr<Optimizer> optimizer;

  explicit Trained(OptimizerKind kind)
      : optimizer(make_optimizer({{"", 1e-2, 0.1, {{"matrix", matrix}}}, {"", 1e-2, 0, {{"vector", vector}}}},
                                 {.kind = kind})) {}

  StateRegistry state() {
    StateRegistry registry;
    registry.add("matrix", matrix);
    registry.add("vector", vector);
    optimizer->register_state(registry);
    return registry;
  }
  void set_gradients(std::uint64_t seed) {
    torch::manual_seed(seed);
    matrix.mutable_grad() = torch::randn({16, 20});
    vector.mutable_grad() = torch::randn({4});
  }
  void advance(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t seed = from; seed < to; ++seed) {
      set_gradients(seed);
      optimizer->step(1);
    }
  }
};

void check_equal(const TensorMap& a, const TensorMap& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    INFO(name);
    CHECK(torch::equal(tensor, b.at(name)));
  }
}

TensorMap copied(const StateRegistry& registry) {
  TensorMap copy = registry.capture();
  for (auto& [name, tensor] : copy) tensor = tensor.clone();
  return copy;
}

OptimizerKind any_kind() {
  at::set_num_threads(1);
  const auto choice = GENERATE(from_range(kOptimizerWords));
  INFO(choice.word);
  return choice.value;
}

}  // namespace

TEST_CASE("an optimizer's state put back goes on with the same bits") {
  const OptimizerKind kind = any_kind();
  Trained whole(kind), first(kind), second(kind);
  whole.advance(0, 6);
  first.advance(0, 3);
  const TensorMap saved = copied(first.state());
  CHECK(saved.size() > 2);
  StateRegistry registry = second.state();
  registry.restore(saved, "test");
  second.advance(3, 6);
  check_equal(copied(second.state()), copied(whole.state()));
}

TEST_CASE("a refused update changes neither weights nor state, a granted one is the ordinary one") {
  const OptimizerKind kind = any_kind();
  Trained ordinary(kind), gated(kind);
  for (std::uint64_t step = 0; step < 3; ++step) {
    const TensorMap before = copied(gated.state());
    for (const Tensor& value : {gated.matrix, gated.vector})
      value.mutable_grad() = torch::full(value.sizes(), std::numeric_limits<float>::quiet_NaN());
    gated.optimizer->step(1, torch::ones({}));
    check_equal(copied(gated.state()), before);
    const auto version = gated.matrix._version();
    for (Trained* one : {&ordinary, &gated}) one->set_gradients(step);
    ordinary.optimizer->step(1);
    gated.optimizer->step(1, torch::zeros({}));
    CHECK(gated.matrix._version() > version);  // tables derived from a weight go by it
  }
  check_equal(copied(gated.state()), copied(ordinary.state()));
}

TEST_CASE("a parameter without a gradient stays as it is, decay included") {
  Trained one(any_kind());
  one.advance(0, 1);
  one.optimizer->zero_grad();
  const TensorMap before = copied(one.state());
  one.optimizer->step(1);
  check_equal(copied(one.state()), before);
  CHECK(one.optimizer->gradient_norm().item<double>() == 0);
}

TEST_CASE("a parameter in two groups is refused") {
  const OptimizerKind kind = any_kind();
  const Tensor value = torch::ones({16, 20}).set_requires_grad(true);
  CHECK_THROWS_AS(make_optimizer({{"", 1, 0, {{"w", value}}}, {"", 2, 0, {{"w", value}}}}, {.kind = kind}),
                  InternalError);
}

}  // namespace rtdetr
