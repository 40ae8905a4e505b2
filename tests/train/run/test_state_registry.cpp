#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/devices.h"
#include "train/run/state_registry.h"

namespace rtdetr {
namespace {

struct Fake {
  torch::Tensor weights = torch::arange(6, torch::kFloat32).view({2, 3});
  std::int64_t counter = 7;
  double value = 0.1;
  StateRegistry registry;
  Fake() {
    registry.add("weights", weights);
    registry.add("counter", &counter);
    registry.add("value", &value);
  }
};

}  // namespace

TEST_CASE("what was captured is put back bit for bit") {
  Fake from, to;
  to.weights.zero_();
  to.counter = 0;
  to.value = 0;
  to.registry.restore(from.registry.capture(), "test");
  CHECK(torch::equal(to.weights, from.weights));
  CHECK(to.counter == 7);
  CHECK(to.value == 0.1);
}

TEST_CASE("a state on a device is captured on the host, and put back where it lies", "[devices]") {
  const torch::Tensor values = torch::arange(6, torch::kFloat32).view({2, 3});
  const torch::Tensor weights = values.to(test::test_device(), torch::kFloat32, false, /*copy=*/true);
  StateRegistry registry;
  registry.add("weights", weights);
  TensorMap state = registry.capture();
  CHECK(torch::equal(state.at("weights"), values));  // refuses tensors of two devices
  state["weights"] = values + 1;
  registry.restore(state, "test");
  CHECK(torch::equal(weights.cpu(), values + 1));
}

TEST_CASE("nothing is captured that does not lie on the host") {
  StateRegistry registry;
  registry.add("weights", torch::empty({2}, torch::kMeta));
  CHECK_THROWS_WITH(registry.capture(), Catch::Contains("copy out of meta"));
  CHECK_THROWS_AS(registry.restore({{"weights", torch::empty({3})}}, "test"), CheckpointError);  // compared as they lie
}

TEST_CASE("any entry that is missing, unknown, reshaped or retyped is refused and nothing changes") {
  const TensorMap good = Fake().registry.capture();
  for (const auto& [name, tensor] : good) {
    TensorMap missing = good, reshaped = good, retyped = good, more = good;
    missing.erase(name);
    reshaped[name] = tensor.view({-1, 1});
    retyped[name] = tensor.to(torch::kFloat16);
    more["unknown"] = tensor;
    for (const TensorMap& bad : {missing, reshaped, retyped, more}) {
      Fake fake;
      fake.counter = 1;
      fake.weights.zero_();
      CHECK_THROWS_AS(fake.registry.restore(bad, "file"), CheckpointError);
      CHECK(fake.counter == 1);
      CHECK(fake.weights.sum().item<float>() == 0);
    }
  }
  CHECK_THROWS_WITH(Fake().registry.restore({}, "file"), Catch::Contains("file") && Catch::Contains("'counter'"));
}

TEST_CASE("a name is registered once") {
  Fake fake;
  CHECK_THROWS_AS(fake.registry.add("weights", &fake.counter), InternalError);
}

}  // namespace rtdetr
