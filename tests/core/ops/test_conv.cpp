#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/ops/autocast.h"
#include "core/ops/conv.h"

using rtdetr::winograd_conv2d;
using torch::Tensor;

namespace {

constexpr auto kLast = torch::MemoryFormat::ChannelsLast;

struct AtCpuLevel {
  explicit AtCpuLevel(rtdetr::CpuLevel level) { rtdetr::set_cpu_level(level); }
  ~AtCpuLevel() { rtdetr::set_cpu_level(rtdetr::best_cpu_level()); }
};

struct ConvRun {
  Tensor y, x, weight;  ///< output and gradients
};

template <typename Op>
ConvRun run_conv(const Tensor& x, const Tensor& weight, const Tensor& upstream, Op op) {
  const Tensor lx = x.detach().set_requires_grad(true), lw = weight.detach().set_requires_grad(true);
  const Tensor y = op(lx, lw);
  y.backward(upstream.to(y.scalar_type()));
  return {y.detach(), lx.grad(), lw.grad()};
}

/// The largest difference, of the exact result's largest number.
double conv_error(const Tensor& a, const Tensor& exact) {
  REQUIRE(a.sizes() == exact.sizes());
  return (a.to(torch::kFloat64) - exact).abs().max().item<double>() / exact.abs().max().item<double>();
}

struct ConvShape {
  std::int64_t batch, in, out, height, width, padding;
};

struct ConvProblem {
  Tensor x, weight, upstream;

  explicit ConvProblem(const ConvShape& s, torch::ScalarType type = torch::kFloat) {
    torch::manual_seed(0);
    x = torch::randn({s.batch, s.in, s.height, s.width}).relu_().contiguous(kLast).to(type);
    weight = torch::randn({s.out, s.in, 3, 3});
    upstream = torch::randn({s.batch, s.out, s.height + 2 * s.padding - 2, s.width + 2 * s.padding - 2}).to(type);
  }
  ConvRun exact(std::int64_t padding) const {
    return run_conv(x.to(torch::kFloat64), weight.to(torch::kFloat64), upstream.to(torch::kFloat64),
                    [&](auto& a, auto& w) { return torch::conv2d(a, w, {}, 1, padding); });
  }
  ConvRun by_winograd(std::int64_t padding, int outputs) const {
    return run_conv(x, weight, upstream, [&](auto& a, auto& w) {
      return winograd_conv2d(a, w, padding, {outputs, outputs});
    });
  }
};

const std::vector<ConvShape> kConvShapes{{1, 16, 16, 8, 8, 1},  {2, 16, 32, 20, 12, 1}, {3, 24, 40, 9, 7, 1},
                                         {1, 19, 5, 11, 13, 1}, {2, 33, 17, 1, 6, 1},   {1, 16, 16, 5, 3, 0},
                                         {1, 48, 70, 6, 10, 2}, {2, 1, 1, 4, 4, 1},     {4, 64, 64, 26, 30, 1}};

}  // namespace

TEST_CASE("a convolution by Winograd equals the direct one in float64, forward and backward, at any size") {
  at::set_num_threads(1);
  const auto level = GENERATE(rtdetr::CpuLevel::kBaseline, rtdetr::CpuLevel::kAvx2, rtdetr::CpuLevel::kAvx512);
  if (level > rtdetr::best_cpu_level()) return;
  const AtCpuLevel at(level);
  const int outputs = GENERATE(2, 4);
  for (const ConvShape& s : kConvShapes) {
    CAPTURE(outputs, s.batch, s.in, s.out, s.height, s.width, s.padding);
    ConvProblem problem(s);
    for (const bool last : {false, true}) {
      if (last) problem.weight = problem.weight.contiguous(kLast);
      const ConvRun exact = problem.exact(s.padding), ours = problem.by_winograd(s.padding, outputs);
      CHECK(conv_error(ours.y, exact.y) < 1e-5);
      CHECK(conv_error(ours.x, exact.x) < 1e-5);
      CHECK(conv_error(ours.weight, exact.weight) < 1e-5);
      CHECK(ours.y.is_contiguous(kLast));
      CHECK(ours.x.is_contiguous(kLast));
      CHECK(ours.weight.strides() == problem.weight.strides());
    }
  }
}

TEST_CASE("a convolution of bfloat16 maps by Winograd rounds its results alone") {
  at::set_num_threads(1);
  const int outputs = GENERATE(2, 4);
  // The last two are worked on in groups of pictures, of which the last is smaller.
  for (const ConvShape& s : {ConvShape{3, 24, 40, 9, 7, 1}, ConvShape{3, 64, 32, 80, 90, 1},
                             ConvShape{5, 192, 192, 19, 19, 1}, ConvShape{8, 256, 256, 18, 18, 1}}) {
    CAPTURE(outputs, s.in);
    const ConvProblem problem(s, torch::kBFloat16);
    const ConvRun exact = problem.exact(s.padding), ours = problem.by_winograd(s.padding, outputs);
    CHECK(ours.y.scalar_type() == torch::kBFloat16);
    CHECK(conv_error(ours.y, exact.y) < 4e-3);
    CHECK(conv_error(ours.x, exact.x) < 4e-3);
    CHECK(ours.weight.scalar_type() == torch::kFloat);
    CHECK(conv_error(ours.weight, exact.weight) < 1e-5);
  }
}

TEST_CASE("a convolution by Winograd has the same bits with one thread and with two") {
  const int outputs = GENERATE(2, 4);
  const auto type = GENERATE(torch::kFloat, torch::kBFloat16);
  for (const ConvShape& s : {ConvShape{2, 40, 72, 33, 21, 1}, ConvShape{1, 256, 160, 10, 10, 1}}) {
    const ConvProblem problem(s, type);
    at::set_num_threads(1);
    const ConvRun one = problem.by_winograd(s.padding, outputs);
    at::set_num_threads(2);
    const ConvRun two = problem.by_winograd(s.padding, outputs);
    at::set_num_threads(1);
    CHECK(torch::equal(one.y, two.y));
    CHECK(torch::equal(one.x, two.x));
    CHECK(torch::equal(one.weight, two.weight));
  }
}

TEST_CASE("a convolution gives only the gradients that are asked for") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 32, 32, 20, 20, 1});
  const ConvRun exact = problem.exact(1);
  const Tensor x = problem.x.clone().set_requires_grad(true), weight = problem.weight.clone().set_requires_grad(true);
  rtdetr::conv2d(x, problem.weight, {}, {.padding = 1}).backward(problem.upstream);
  CHECK(conv_error(x.grad(), exact.x) < 1e-5);
  CHECK_FALSE(problem.weight.grad().defined());
  rtdetr::conv2d(problem.x, weight, {}, {.padding = 1}).backward(problem.upstream);
  CHECK(conv_error(weight.grad(), exact.weight) < 1e-5);
}

TEST_CASE("a convolution takes the gradient of a sum, which has no strides") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 32, 32, 20, 20, 1});
  const ConvRun ours = run_conv(problem.x, problem.weight, torch::ones({2, 32, 20, 20}), [](auto& x, auto& w) {
    return winograd_conv2d(x, w, 1, {4, 4});
  });
  const Tensor x = problem.x.clone().set_requires_grad(true), weight = problem.weight.clone().set_requires_grad(true);
  rtdetr::conv2d(x, weight, {}, {.padding = 1}).sum().backward();
  CHECK(torch::equal(x.grad(), ours.x));
  CHECK(torch::equal(weight.grad(), ours.weight));
}

TEST_CASE("a convolution refuses a second derivative, and other channels than its filters have") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 32, 32, 20, 20, 1});
  const Tensor weight = problem.weight.clone().set_requires_grad(true);
  const Tensor y = rtdetr::conv2d(problem.x, weight, {}, {.padding = 1});
  CHECK_THROWS_WITH(torch::autograd::grad({y.sum()}, {weight}, {}, /*retain_graph=*/true, /*create_graph=*/true),
                    Catch::Contains("not differentiable"));
  const Tensor fewer = problem.x.narrow(1, 0, 16).contiguous(kLast);
  CHECK_THROWS_WITH(rtdetr::conv2d(fewer, weight, {}, {.padding = 1}), Catch::Contains("channels"));
  CHECK_THROWS_AS(winograd_conv2d(fewer, weight, 1, {4, 4}), rtdetr::InternalError);
  CHECK_THROWS_AS(winograd_conv2d(problem.x.contiguous(), weight, 1, {4, 4}), rtdetr::InternalError);
}

TEST_CASE("a convolution under autocast keeps its weights' gradient in float32") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 64, 64, 40, 40, 1});
  const Tensor weight = problem.weight.clone().set_requires_grad(true);
  Tensor y;
  {
    const rtdetr::AutocastScope autocast(rtdetr::Precision::kBFloat16, torch::kCPU);
    y = rtdetr::conv2d(problem.x, weight, {}, {.padding = 1});
  }
  CHECK(y.scalar_type() == torch::kBFloat16);
  y.backward(problem.upstream.to(torch::kBFloat16));
  CHECK(weight.grad().scalar_type() == torch::kFloat);
  CHECK(conv_error(weight.grad(), problem.exact(1).weight) < 1e-2);
}

TEST_CASE("the forward pass of a float32 convolution is LibTorch's") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 64, 64, 40, 40, 1});
  const Tensor weight = problem.weight.clone().set_requires_grad(true);
  const Tensor y = rtdetr::conv2d(problem.x, weight, {}, {.padding = 1});
  CHECK(y.grad_fn()->name().find("Winograd") != std::string::npos);
  CHECK(torch::equal(y, torch::conv2d(problem.x, weight, {}, 1, 1)));
}

TEST_CASE("a convolution leaves other windows, types and layouts, and all that learns nothing, to LibTorch") {
  at::set_num_threads(1);
  const ConvProblem problem({2, 32, 32, 20, 20, 1});
  const Tensor weight = problem.weight.clone().set_requires_grad(true);
  const auto plain = [&](const Tensor& x, const Tensor& w) { return torch::conv2d(x, w, {}, 1, 1); };
  const auto ours = [&](const Tensor& x, const Tensor& w) { return rtdetr::conv2d(x, w, {}, {.padding = 1}); };
  const auto is_plain = [](const Tensor& y) { return y.grad_fn()->name().find("Winograd") == std::string::npos; };
  CHECK(!is_plain(ours(problem.x, weight)));
  CHECK(torch::equal(ours(problem.x, problem.weight), plain(problem.x, problem.weight)));
  const Tensor wide = problem.x.to(torch::kFloat64), wide_weight = weight.to(torch::kFloat64);
  CHECK(is_plain(ours(wide, wide_weight)));
  const Tensor first = problem.x.contiguous();
  CHECK(is_plain(ours(first, weight)));
  CHECK(is_plain(rtdetr::conv2d(problem.x, weight, {}, {.stride = 2, .padding = 1})));
  CHECK(ours(problem.x.narrow(0, 0, 0), weight).sizes() == torch::IntArrayRef({0, 32, 20, 20}));
}

TEST_CASE("small maps are not convolved by Winograd, large ones by its larger tiles") {
  CHECK(rtdetr::winograd_outputs({.in = 64, .out = 64, .batch = 4, .height = 80, .width = 80}) == 4);
  CHECK(rtdetr::winograd_outputs({.in = 512, .out = 512, .batch = 4, .height = 10, .width = 10}) == 2);
  CHECK(rtdetr::winograd_outputs({.in = 512, .out = 512, .batch = 1, .height = 3, .width = 3}) == 0);
  CHECK(rtdetr::winograd_outputs({.in = 3, .out = 64, .batch = 4, .height = 80, .width = 80}) == 0);
}
