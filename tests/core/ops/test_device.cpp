#include "core/ops/device.h"

#include <torch/torch.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "tests/support/devices.h"

namespace rtdetr {

TEST_CASE("the tests' device is opened by its name, and waited for", "[devices]") {
  const torch::Device named = test::test_device(), opened = open_device(named.str());
  CHECK(opened == named);
  const torch::Tensor sums = torch::ones({512, 512}, named).matmul(torch::ones({512, 512}, named));
  wait_for(opened);
  CHECK(sums.min().item<float>() == 512);
}

TEST_CASE("the CPU is there without the plug-in") {
  CHECK(open_device("cpu").is_cpu());
  wait_for(torch::kCPU);
}

TEST_CASE("names that are no device are refused with those that are") {
  const auto name =
      GENERATE(as<std::string>(), "", "gpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "0,1", "-1", "64", "1x");
  INFO(name);
  CHECK_THROWS_WITH(open_device(name), Catch::Contains("'" + name + "': it is cpu, cuda"));
  CHECK_THROWS_AS(open_device(name), ConfigError);
}

}  // namespace rtdetr
