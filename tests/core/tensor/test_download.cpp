#include "core/tensor/download.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "tests/support/counting_device.h"
#include "tests/support/device_log.h"

using rtdetr::download;
using torch::Tensor;

TEST_CASE("tensors of several types come from a device in one copy, for which the host waits once") {
  const torch::Device device = rtdetr::test::counting_device();
  const std::vector<Tensor> host{torch::rand({3, 4}) > 0.5,
                                 torch::rand({7}),
                                 torch::tensor({3, 1, 4, 1, 5}, torch::kInt64),
                                 torch::empty({0, 4}),
                                 torch::arange(12, torch::kFloat32).view({3, 4}),
                                 torch::rand({5}, torch::kFloat64).to(torch::kHalf),
                                 torch::tensor(7.5, torch::kFloat64)};
  std::vector<Tensor> there;
  for (const Tensor& tensor : host) there.push_back(tensor.to(device));
  there[4] = there[4].t();
  there.push_back(host.front());
  std::vector<Tensor> here;
  {
    const rtdetr::test::DeviceLog log;
    here = download(there);
    CHECK(log.waits().size() == 1);
  }
  REQUIRE(here.size() == there.size());
  for (std::size_t i = 0; i < here.size(); ++i) {
    CHECK(here[i].is_cpu());
    CHECK(here[i].scalar_type() == there[i].scalar_type());
    CHECK(torch::equal(here[i], there[i].cpu()));
  }
}

TEST_CASE("what lies on the host is handed on") {
  const Tensor host = torch::rand({4});
  CHECK(download(std::vector{host}).front().is_same(host));
  CHECK(download(std::vector<Tensor>{}).empty());
}
