#include "core/tensor/upload.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "tests/support/counting_device.h"
#include "tests/support/device_log.h"

using rtdetr::upload;
using torch::Tensor;

TEST_CASE("tensors of several types go to a device in one copy that nobody waits for") {
  const torch::Device device = rtdetr::test::counting_device();
  const std::vector<Tensor> host{torch::tensor({3, 1, 4, 1, 5}, torch::kInt64),
                                 torch::rand({3, 4}) > 0.5,
                                 torch::rand({2, 3}, torch::kFloat64),
                                 torch::empty({0, 4}),
                                 torch::arange(12, torch::kFloat32).view({3, 4}).t(),
                                 torch::tensor(7.5)};
  std::vector<Tensor> there;
  {
    const rtdetr::test::DeviceLog log;
    there = upload(host, device);
    CHECK(log.total().launches == 1);
    CHECK(log.waits().empty());
  }
  REQUIRE(there.size() == host.size());
  for (std::size_t i = 0; i < host.size(); ++i) {
    CHECK(there[i].device() == device);
    CHECK(there[i].scalar_type() == host[i].scalar_type());
    CHECK(torch::equal(there[i].cpu(), host[i]));
  }
}

TEST_CASE("on the CPU nothing is copied") {
  const Tensor host = torch::rand({4});
  CHECK(upload(host, torch::kCPU).is_same(host));
}
