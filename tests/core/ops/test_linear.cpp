#include "core/ops/linear.h"

#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <limits>

#include "core/ops/autocast.h"
#include "core/ops/onednn_product.h"
#include "tests/support/devices.h"

using torch::Tensor;

namespace {

struct Run {
  Tensor y, x, weight, bias;  ///< output and gradients
};

template <typename Op>
Run run(const Tensor& x, const Tensor& weight, const Tensor& bias, Op op) {
  const auto leaf = [](const Tensor& t) { return t.defined() ? t.detach().clone().set_requires_grad(true) : t; };
  const Tensor lx = leaf(x), lw = leaf(weight), lb = leaf(bias);
  const Tensor y = op(lx, lw, lb);
  torch::manual_seed(1);
  (y * torch::randn_like(y)).sum().backward();
  return {y.detach(), lx.grad(), lw.grad(), bias.defined() ? lb.grad() : Tensor()};
}

void check_near(const Tensor& a, const Tensor& b, double tolerance = 1e-5) {
  REQUIRE(a.sizes() == b.sizes());
  CHECK((a - b).abs().max().item<double>() <= tolerance * std::max(1.0, b.abs().max().item<double>()));
}

}  // namespace

TEST_CASE("linear equals torch::linear, forward and backward", "[devices]") {
  at::set_num_threads(1);
  const rtdetr::test::Place place = GENERATE(from_range(rtdetr::test::places()));
  INFO(place);
  const double tolerance = std::min(place.tolerance, 1e-5);
  torch::manual_seed(0);
  const bool relu = GENERATE(false, true), with_bias = GENERATE(false, true);
  const std::vector<std::int64_t> shape = GENERATE(
      std::vector<std::int64_t>{6, 24}, std::vector<std::int64_t>{2, 37, 24}, std::vector<std::int64_t>{2, 3, 5, 24});
  const Tensor x = torch::randn(shape).to(place.options()), weight = torch::randn({7, 24}).to(place.options());
  const Tensor bias = with_bias ? torch::randn({7}).to(place.options()) : Tensor();
  const Run ours = run(x, weight, bias, [&](auto& a, auto& w, auto& b) { return rtdetr::linear(a, w, b, relu); });
  const Run torchs = run(x, weight, bias, [&](auto& a, auto& w, auto& b) {
    const Tensor y = torch::linear(a, w, b);
    return relu ? y.relu() : y;
  });
  check_near(ours.y, torchs.y, tolerance);
  check_near(ours.x, torchs.x, tolerance);
  check_near(ours.weight, torchs.weight, tolerance);
  if (with_bias) check_near(ours.bias, torchs.bias, tolerance);
}

TEST_CASE("linear takes views and gives only the gradients that are asked for") {
  at::set_num_threads(1);
  torch::manual_seed(0);
  const Tensor packed = torch::randn({9, 8}).set_requires_grad(true);
  const Tensor map = torch::randn({2, 8, 5}).transpose(1, 2);  // [2, 5, 8], channels not last in memory
  const Tensor y = rtdetr::linear(map, packed.narrow(0, 3, 3), {});
  check_near(y, torch::linear(map, packed.narrow(0, 3, 3)));
  y.sum().backward();
  CHECK(packed.grad().narrow(0, 0, 3).abs().max().item<float>() == 0);
  check_near(packed.grad()[4], map.sum(torch::IntArrayRef({0, 1})));
}

TEST_CASE("linear leaves other types, autocast and empty batches to LibTorch") {
  at::set_num_threads(1);
  const Tensor x = torch::randn({3, 8}), weight = torch::randn({4, 8});
  const Tensor y = rtdetr::linear(x.to(torch::kFloat64), weight.to(torch::kFloat64), {}, true);
  CHECK(torch::equal(y, torch::linear(x.to(torch::kFloat64), weight.to(torch::kFloat64)).relu()));
  CHECK(rtdetr::linear(torch::empty({0, 8}), weight, {}).sizes() == torch::IntArrayRef({0, 4}));
  const rtdetr::AutocastScope autocast(rtdetr::Precision::kBFloat16, torch::kCPU);
  CHECK(rtdetr::linear(x, weight, {}).scalar_type() == torch::kBFloat16);
}

TEST_CASE("the ReLU of a float16 product that overflows is float16's largest number") {
  const rtdetr::AutocastScope autocast(rtdetr::Precision::kFloat16, torch::kCPU);
  const Tensor x = torch::full({1, 1}, 300.0F), weight = torch::tensor({{300.0F}, {-300.0F}, {1.0F}});
  CHECK(
      torch::equal(rtdetr::linear(x, weight, {}, true).to(torch::kFloat32), torch::tensor({{65504.0F, 0.0F, 300.0F}})));
}

TEST_CASE("the ReLU of not-a-number is not 0, which would hide it") {
  at::set_num_threads(1);
  Tensor weight = torch::ones({4, 8});
  weight[1][0] = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = rtdetr::linear(torch::ones({3, 8}), weight, torch::zeros({4}), true);
  CHECK(y.isnan().sum().item<int>() == 3);
  CHECK(y.select(1, 1).isnan().all().item<bool>());
}

TEST_CASE("the gradient of linear has no gradient, and says so") {
  if (rtdetr::OnednnProduct::of_libtorch() == nullptr) return;  // it is torch::linear then
  const Tensor x = torch::ones({3, 8}).set_requires_grad(true), weight = torch::ones({4, 8});
  const Tensor y = rtdetr::linear(x, weight, {}).sum();
  CHECK_THROWS_WITH(torch::autograd::grad({y}, {x}, {}, true, /*create_graph=*/true), Catch::Contains("create_graph"));
}

TEST_CASE("linear without gradients equals linear with them") {
  at::set_num_threads(1);
  const Tensor x = torch::randn({3, 8}), weight = torch::randn({4, 8}).set_requires_grad(true),
               bias = torch::randn({4});
  const Tensor recorded = rtdetr::linear(x, weight, bias, true);
  REQUIRE(recorded.requires_grad());
  const c10::InferenceMode inference;
  const Tensor y = rtdetr::linear(x, weight, bias, true);
  CHECK_FALSE(y.requires_grad());
  CHECK(torch::equal(y, recorded.detach()));
}
