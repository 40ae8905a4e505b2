#include "train/run/host_copy.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "tests/support/devices.h"

namespace rtdetr {

TEST_CASE("a state on the host is handed through: its own memory, and nothing to wait for") {
  const torch::Tensor weights = torch::arange(6.0);
  HostCopy copy;
  const HostState state = copy.take({{"weights", weights}});
  CHECK(state.tensors.at("weights").data_ptr() == weights.data_ptr());
  CHECK_FALSE(state.arrive);
}

TEST_CASE("a state arrives on the host as it was when it was taken, and twice as well as once", "[devices]") {
  const torch::Tensor weights = torch::arange(24.0).view({1, 2, 3, 4}).to(test::test_device());
  const torch::Tensor maps = weights.contiguous(torch::MemoryFormat::ChannelsLast).clone();
  const torch::Tensor count = torch::tensor(7, torch::kInt64);
  HostCopy copy;
  for (const double more : {0.0, 1.0}) {
    maps.add_(more);
    const torch::Tensor before = maps.cpu().clone();
    const HostState state = copy.take({{"maps", maps}, {"count", count}});
    REQUIRE(static_cast<bool>(state.arrive) == !maps.is_cpu());
    if (!state.arrive) {  // references: on the host the next step waits for the writer
      CHECK(state.tensors.at("maps").data_ptr() == maps.data_ptr());
      return;
    }
    maps.zero_();
    count.zero_();
    state.arrive();
    CHECK(torch::equal(state.tensors.at("maps"), before));
    CHECK(state.tensors.at("count").item<std::int64_t>() == 7);
    maps.copy_(before);
    count.fill_(7);
  }
}

}  // namespace rtdetr
