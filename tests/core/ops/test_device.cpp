#include "core/ops/device.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "tests/support/devices.h"
#include "tests/support/named_plugin.h"

namespace rtdetr {

using Catch::Contains;

TEST_CASE("the tests' device is opened by its name, and waited for", "[devices]") {
  const torch::Device named = test::test_device(), opened = open_device(device_choice(named.str())).device;
  CHECK(opened.type() == named.type());
  CHECK(names_device(device_choice(named.str()), opened));
  const torch::Tensor sums = torch::ones({512, 512}, opened).matmul(torch::ones({512, 512}, opened));
  wait_for(opened);
  CHECK(sums.min().item<float>() == 512);
}

TEST_CASE("the CPU is there without the plug-in") {
  CHECK(open_device(device_choice("cpu")).device.is_cpu());
  CHECK(open_device(device_choice("cpu")).reason.empty());
  wait_for(torch::kCPU);
}

TEST_CASE("a card without the plug-in is refused with how to get it, and with the CPU") {
  const test::NamedPlugin nowhere("/nowhere/librtdetr_cuda.so");
  const auto open = [] { open_device(device_choice("cuda:1", " (command line)")); };
  CHECK_THROWS_AS(open(), ConfigError);
  CHECK_THROWS_WITH(open(), Contains("device=cuda:1 (command line) is not available") && Contains("/nowhere/") &&
                                Contains("RTDETR_CUDA=ON scripts/setup") && Contains("device=cpu"));
}

TEST_CASE("auto is the CPU where no plug-in loads, and says why") {
  const test::NamedPlugin nowhere("/nowhere/librtdetr_cuda.so");
  const OpenedDevice opened = open_device(device_choice("auto"));
  CHECK(opened.device.is_cpu());
  CHECK_THAT(opened.reason, Contains("computing on the CPU") && Contains("/nowhere/"));
}

TEST_CASE("on the CPU nothing chooses algorithms: it always gives the same bits") {
  for (const bool deterministic : {true, false}) {
    choose_algorithms(torch::kCPU, deterministic);
    CHECK_FALSE(at::globalContext().deterministicAlgorithms());
    CHECK_FALSE(at::globalContext().benchmarkCuDNN());
    CHECK(std::getenv("CUBLAS_WORKSPACE_CONFIG") == nullptr);
  }
}

TEST_CASE("one process opens one card") {
  CHECK_THROWS_WITH(open_device(device_choice("0,1")), Contains("device=0,1: one process computes on one GPU"));
}

TEST_CASE("different words mean one device") {
  const torch::Device first(torch::kCUDA, 0), second(torch::kCUDA, 1);
  for (const char* word : {"cuda", "0", "cuda:0", "auto"}) CHECK(names_device(device_choice(word), first));
  for (const char* word : {"cuda", "0", "cpu"}) CHECK_FALSE(names_device(device_choice(word), second));
  CHECK(names_device(device_choice("cpu"), torch::kCPU));
  CHECK_FALSE(names_device(device_choice("cuda"), torch::kCPU));
}

}  // namespace rtdetr
