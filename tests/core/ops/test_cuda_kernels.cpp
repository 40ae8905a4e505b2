#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/batch_norm.h"
#include "core/ops/ms_deform_attn.h"
#include "tests/support/deterministic.h"
#include "tests/support/devices.h"

/// What only a GPU can show: its kernels at a decoder's size give the CPU's numbers, and the same bits when asked to.
namespace rtdetr {
namespace {

using torch::Tensor;

const std::vector<LevelShape> kMaps = {{40, 40}, {20, 20}, {10, 10}};
const std::vector<std::int64_t> kPointsPerMap = {4, 4, 4};

struct Pass {
  Tensor output, value, locations, weights;  ///< the last three: gradients; undefined for discrete locations
};

/// Forward and backward for two pictures and 300 queries, on `device`, back on the CPU in float64.
Pass pass_on(const torch::Device& device, torch::ScalarType type, SamplingMethod method) {
  torch::manual_seed(1);
  const auto leaf = [&](const Tensor& tensor) { return tensor.to(device, type).set_requires_grad(true); };
  const auto options = torch::TensorOptions(torch::kFloat64);
  const Tensor value = leaf(torch::randn({2, 2100, 8, 32}, options)),
               locations = leaf(torch::rand({2, 300, 8, 12, 2}, options) * 1.4 - 0.2),
               weights = leaf(torch::randn({2, 300, 8, 12}, options).softmax(-1));
  const Tensor upstream = torch::randn({2, 300, 256}, options).to(device, type);
  const Tensor output = ms_deform_attn(value, kMaps, kPointsPerMap, locations, weights, method);
  (output * upstream).sum().backward();
  const auto back = [](const Tensor& t) { return t.defined() ? t.detach().to(torch::kCPU, torch::kFloat64) : t; };
  return {back(output), back(value.grad()), back(locations.grad()), back(weights.grad())};
}

double relative_difference(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

/// Output and gradients of a large map's norm on `device`, back on the CPU.
std::vector<Tensor> norm_on(const torch::Device& device, bool fixed) {
  torch::manual_seed(2);
  const auto map = [&] {
    return torch::randn({4, 96, 80, 80}).to(device).contiguous(torch::MemoryFormat::ChannelsLast);
  };
  const auto of_channels = [&](double mean) { return (torch::randn({96}) * 0.1 + mean).to(device); };
  const Tensor x = map().requires_grad_(), upstream = map(), mean = of_channels(0), variance = of_channels(1);
  const Tensor weight = of_channels(1).requires_grad_(!fixed), bias = of_channels(0).requires_grad_(!fixed);
  constexpr double kEps = 1e-5;
  const Tensor y = !fixed ? batch_norm_act(x, weight, bias, mean, variance, 0.1, kEps, NormActivation::kSilu)
                   : device.is_cuda()
                       ? fixed_batch_norm_act(x, weight, bias, mean, variance, kEps, NormActivation::kSilu)
                       : torch::silu(torch::batch_norm(x, weight, bias, mean, variance, false, 0, kEps, false));
  y.backward(upstream);
  std::vector<Tensor> all = {y, x.grad(), mean, variance};
  if (!fixed) all.insert(all.end(), {weight.grad(), bias.grad()});
  for (Tensor& tensor : all) tensor = tensor.detach().cpu();
  return all;
}

}  // namespace

TEST_CASE("the GPU's batch norm gives the CPU's numbers", "[.][cuda]") {
  const torch::Device device = test::test_device();
  REQUIRE(device.is_cuda());
  const bool fixed = GENERATE(false, true);
  const std::vector<Tensor> gpu = norm_on(device, fixed), cpu = norm_on(torch::kCPU, fixed);
  for (std::size_t i = 0; i < cpu.size(); ++i) CHECK(relative_difference(gpu[i], cpu[i]) < 2e-6);
}

TEST_CASE("the GPU's deformable attention gives the CPU's numbers", "[.][cuda]") {
  const torch::Device device = test::test_device();
  REQUIRE(device.is_cuda());
  const auto method = GENERATE(SamplingMethod::kBilinear, SamplingMethod::kDiscrete, SamplingMethod::kDiscreteSquare);
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  // In float32 a location next to a cell's edge may take the other cell on either device: compare what is continuous.
  if (type == torch::kFloat32 && method != SamplingMethod::kBilinear) return;
  const double limit = type == torch::kFloat64 ? 1e-14 : 2e-6;
  const Pass cpu = pass_on(torch::kCPU, type, method), gpu = pass_on(device, type, method);
  CHECK(relative_difference(gpu.output, cpu.output) < limit);
  CHECK(relative_difference(gpu.value, cpu.value) < limit);
  CHECK(relative_difference(gpu.weights, cpu.weights) < limit);
  REQUIRE(gpu.locations.defined() == (method == SamplingMethod::kBilinear));
  // A bilinear location's gradient jumps at the edge of a cell, so float32 gets more room there.
  if (gpu.locations.defined()) CHECK(relative_difference(gpu.locations, cpu.locations) < 100 * limit);
}

TEST_CASE("the GPU's gradients are the same bits every time when deterministic algorithms are asked for", "[.][cuda]") {
  const torch::Device device = test::test_device();
  REQUIRE(device.is_cuda());
  const test::Deterministic guard;
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  const Pass first = pass_on(device, type, SamplingMethod::kBilinear);
  for (int repeat = 0; repeat < 5; ++repeat) {
    const Pass again = pass_on(device, type, SamplingMethod::kBilinear);
    CHECK(torch::equal(again.output, first.output));
    CHECK(torch::equal(again.value, first.value));
    CHECK(torch::equal(again.locations, first.locations));
    CHECK(torch::equal(again.weights, first.weights));
  }
}

}  // namespace rtdetr
