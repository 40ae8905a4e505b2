#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/check.h"
#include "core/base/cpu_level.h"
#include "core/ops/batch_norm.h"
#include "core/ops/joined_batch_norm.h"
#include "tests/support/devices.h"
#include "tests/support/thread_world.h"

using rtdetr::batch_norm_act;
using rtdetr::NormActivation;
using rtdetr::test::test_device;
using torch::Tensor;

namespace {

constexpr double kMomentum = 0.1, kEps = 1e-5;

struct Problem {
  Tensor x, weight, bias, upstream;  ///< float64, values that bfloat16 holds exactly
  NormActivation activation = NormActivation::kNone;
};

Tensor half_exact(const Tensor& x) { return x.to(torch::kBFloat16).to(torch::kFloat64); }

/// @param offset  of the channels' means, in deviations
Problem make_problem(std::int64_t channels, NormActivation activation, double offset = 1) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  const auto randn = [&](at::IntArrayRef shape) { return half_exact(torch::randn(shape, generator, torch::kFloat64)); };
  Problem p{randn({3, channels, 9, 11}) + offset, randn({channels}) + 1, randn({channels}), randn({3, channels, 9, 11}),
            activation};
  p.x = half_exact(p.x);
  return p;
}

struct Outcome {
  Tensor y, mean, var, grad_x, grad_weight, grad_bias;
};

Tensor activated(const Tensor& z, NormActivation activation) {
  if (activation == NormActivation::kRelu) return torch::relu(z);
  return activation == NormActivation::kSilu ? torch::silu(z) : z;
}

/// LibTorch's own operators, float64.
Outcome reference(const Problem& p) {
  const Tensor x = p.x.clone().requires_grad_(), weight = p.weight.clone().requires_grad_(),
               bias = p.bias.clone().requires_grad_();
  Outcome o;
  o.mean = torch::zeros_like(weight).detach();
  o.var = torch::ones_like(weight).detach();
  o.y = activated(torch::batch_norm(x, weight, bias, o.mean, o.var, true, kMomentum, kEps, false), p.activation);
  (o.y * p.upstream).sum().backward();
  o.grad_x = x.grad();
  o.grad_weight = weight.grad();
  o.grad_bias = bias.grad();
  return o;
}

/// On the device of the test, which the CPU-only ones leave at the CPU.
Outcome ours(const Problem& p, torch::Dtype type, const rtdetr::SumReducer& reduce = {}) {
  const auto channels_last = [&](const Tensor& t) {
    return t.to(test_device(), type).contiguous(torch::MemoryFormat::ChannelsLast);
  };
  const auto of_channels = [&](const Tensor& t) { return t.to(test_device(), torch::kFloat32).requires_grad_(); };
  const Tensor x = channels_last(p.x).requires_grad_(), weight = of_channels(p.weight), bias = of_channels(p.bias);
  Outcome o;
  o.mean = torch::zeros_like(weight).detach();
  o.var = torch::ones_like(weight).detach();
  RTDETR_CHECK(rtdetr::suits_batch_norm_act(x), "a map for LibTorch");  // threads, too, come here
  o.y = batch_norm_act(x, weight, bias, o.mean, o.var, kMomentum, kEps, p.activation, reduce);
  o.y.backward(channels_last(p.upstream));
  o.grad_x = x.grad();
  o.grad_weight = weight.grad();
  o.grad_bias = bias.grad();
  return o;
}

double difference(const Tensor& a, const Tensor& b) {
  const auto wide = [](const Tensor& t) { return t.detach().to(torch::kCPU, torch::kFloat64); };
  return (wide(a) - wide(b)).abs().max().item<double>();
}

bool equal(const Outcome& a, const Outcome& b) {
  return torch::equal(a.y, b.y) && torch::equal(a.grad_x, b.grad_x) && torch::equal(a.grad_weight, b.grad_weight) &&
         torch::equal(a.grad_bias, b.grad_bias) && torch::equal(a.mean, b.mean) && torch::equal(a.var, b.var);
}

}  // namespace

TEST_CASE("batch norm with activation equals LibTorch's float64 operators up to rounding", "[devices]") {
  const auto channels = GENERATE(7, 16, 40);
  const auto activation = GENERATE(NormActivation::kNone, NormActivation::kRelu, NormActivation::kSilu);
  const Problem p = make_problem(channels, activation);
  const Outcome want = reference(p);

  const Outcome single = ours(p, torch::kFloat32);
  CHECK(difference(single.y, want.y) < 3e-6);
  CHECK(difference(single.grad_x, want.grad_x) < 1e-5);
  CHECK(difference(single.grad_weight, want.grad_weight) < 1e-4);
  CHECK(difference(single.grad_bias, want.grad_bias) < 1e-4);
  CHECK(difference(single.mean, want.mean) < 1e-7);
  CHECK(difference(single.var, want.var) < 1e-6);
  CHECK(single.y.scalar_type() == torch::kFloat32);

  for (const rtdetr::test::Place& place : rtdetr::test::half_places()) {
    if (place.device.is_cpu() && place.type == torch::kFloat16) continue;  // LibTorch's
    INFO(place);
    const double unit = place.tolerance;
    const Outcome half = ours(p, place.type);
    CHECK(difference(half.y, want.y) < 5 * unit);
    CHECK(difference(half.grad_x, want.grad_x) < 7.5 * unit);
    CHECK(difference(half.grad_weight, want.grad_weight) < 62 * unit);  // sums of 297 rounded numbers
    CHECK(difference(half.mean, want.mean) < 1e-7);
    CHECK(half.y.scalar_type() == place.type);
  }
}

/// Pictures [begin, end) of a problem.
Problem part_of(const Problem& p, std::int64_t begin, std::int64_t end) {
  return {p.x.slice(0, begin, end), p.weight, p.bias, p.upstream.slice(0, begin, end), p.activation};
}

TEST_CASE("batch norm of any type gives the parts of a batch what LibTorch's gives the whole") {
  const Problem p = make_problem(7, NormActivation::kNone);
  const Outcome whole = reference(p);
  Outcome parts[2];
  rtdetr::test::ThreadWorld(2).run([&](rtdetr::ProcessGroup& group) {
    const Problem own = part_of(p, group.is_main() ? 0 : 1, group.is_main() ? 1 : 3);  // one picture, and two
    const Tensor x = own.x.clone().requires_grad_(), weight = p.weight.clone().requires_grad_(),
                 bias = p.bias.clone().requires_grad_();
    Outcome& o = parts[group.rank()];
    o.mean = torch::zeros({7}, torch::kFloat64);
    o.var = torch::ones({7}, torch::kFloat64);
    o.y = rtdetr::joined_batch_norm(x, weight, bias, o.mean, o.var, kMomentum, kEps,
                                    [&](const Tensor& sums) { group.all_reduce(sums, rtdetr::Reduction::kSum); });
    o.y.backward(own.upstream);
    o.grad_x = x.grad();
    o.grad_weight = weight.grad();
    o.grad_bias = bias.grad();
  });
  CHECK(difference(torch::cat({parts[0].y, parts[1].y}), whole.y) < 1e-13);
  CHECK(difference(torch::cat({parts[0].grad_x, parts[1].grad_x}), whole.grad_x) < 1e-13);
  CHECK(difference(parts[0].grad_weight + parts[1].grad_weight, whole.grad_weight) < 1e-12);
  CHECK(difference(parts[0].grad_bias + parts[1].grad_bias, whole.grad_bias) < 1e-12);
  for (const Outcome& part : parts) {
    CHECK(difference(part.mean, whole.mean) < 1e-14);
    CHECK(difference(part.var, whole.var) < 1e-14);
  }
}

TEST_CASE("batch norm with joined sums gives the parts of a batch what the whole batch has") {
  const auto activation = GENERATE(NormActivation::kNone, NormActivation::kRelu, NormActivation::kSilu);
  const Problem p = make_problem(40, activation);
  const Outcome whole = ours(p, torch::kFloat32);
  Outcome parts[2];
  rtdetr::test::ThreadWorld(2).run([&](rtdetr::ProcessGroup& group) {
    const bool first = group.is_main();  // one picture, and two
    parts[group.rank()] = ours(part_of(p, first ? 0 : 1, first ? 1 : 3), torch::kFloat32,
                               [&](const Tensor& sums) { group.all_reduce(sums, rtdetr::Reduction::kSum); });
  });
  CHECK(difference(torch::cat({parts[0].y, parts[1].y}), whole.y) < 1e-6);
  CHECK(difference(torch::cat({parts[0].grad_x, parts[1].grad_x}), whole.grad_x) < 1e-6);
  CHECK(difference(parts[0].grad_weight + parts[1].grad_weight, whole.grad_weight) < 1e-4);
  CHECK(difference(parts[0].grad_bias + parts[1].grad_bias, whole.grad_bias) < 1e-4);
  if (activation == NormActivation::kNone) {  // a rank's own pixels only: they are added to the others' elsewhere
    CHECK(difference(parts[0].grad_bias, p.upstream.slice(0, 0, 1).sum({0, 2, 3})) < 1e-4);
  }
  for (const Outcome& part : parts) {
    CHECK(difference(part.mean, whole.mean) < 1e-7);
    CHECK(difference(part.var, whole.var) < 1e-7);
  }
  const Outcome alone = ours(part_of(p, 0, 1), torch::kFloat32);
  CHECK(difference(alone.grad_x, parts[0].grad_x) > 1e-3);  // its own statistics are others
}

TEST_CASE("batch norm keeps its digits where means are far from zero", "[devices]") {
  const Problem p = make_problem(16, NormActivation::kNone, 200);
  CHECK(difference(ours(p, torch::kFloat32).y, reference(p).y) < 3e-6);  // LibTorch's channels-last kernel: 2.6e-5
}

TEST_CASE("batch norm of a channel of one large value stays finite", "[devices]") {
  // The variance is a difference of rounded sums that may fall below zero by more than eps.
  Tensor x = torch::empty({3, 64, 9, 11}).contiguous(torch::MemoryFormat::ChannelsLast);
  for (std::int64_t c = 0; c < 64; ++c) x.select(1, c).fill_(1.2345679e9 + 7919e3 * static_cast<double>(c));
  const torch::Device device = test_device();
  Tensor mean = torch::zeros({64}, device), var = torch::ones({64}, device);
  const Tensor y = batch_norm_act(x.to(device), torch::ones({64}, device), torch::zeros({64}, device), mean, var,
                                  kMomentum, kEps, NormActivation::kNone);
  CHECK(torch::isfinite(y).all().item<bool>());
  CHECK((var >= 0.9).all().item<bool>());
}

TEST_CASE("batch norm of one value per channel stays finite", "[devices]") {
  const Tensor x = torch::full({1, 16, 1, 1}, 3.0F).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Device device = test_device();
  Tensor mean = torch::zeros({16}, device), var = torch::ones({16}, device);
  const Tensor y = batch_norm_act(x.to(device), torch::ones({16}, device), torch::full({16}, 0.5F, device), mean, var,
                                  kMomentum, kEps, NormActivation::kNone);
  CHECK(difference(y, torch::full({1, 16, 1, 1}, 0.5)) == 0);
  CHECK(difference(var, torch::full({16}, 0.9)) < 1e-7);
}

TEST_CASE("batch norm passes on what is not a number", "[devices]") {
  const auto activation = GENERATE(NormActivation::kNone, NormActivation::kRelu, NormActivation::kSilu);
  const auto type = GENERATE(torch::kFloat32, torch::kBFloat16);
  Tensor x = torch::ones({1, 16, 2, 2}, type).contiguous(torch::MemoryFormat::ChannelsLast);
  x[0][3][1][1] = std::nan("");
  const torch::Device device = test_device();
  const auto all = [&](float value) { return torch::full({16}, value, device); };
  const Tensor y = batch_norm_act(x.to(device), all(1), all(0), all(0), all(1), kMomentum, kEps, activation);
  CHECK(torch::isnan(y[0][3]).all().item<bool>());
  CHECK_FALSE(torch::isnan(y[0][4]).any().item<bool>());
}

TEST_CASE("batch norm is bit-equal for any number of threads") {
  const Problem p = make_problem(200, NormActivation::kSilu);
  at::set_num_threads(1);
  const Outcome one = ours(p, torch::kFloat32);
  at::set_num_threads(3);
  const Outcome three = ours(p, torch::kFloat32);
  at::set_num_threads(1);
  CHECK(equal(one, three));
}

TEST_CASE("batch norm gives the same on every instruction set up to rounding") {
  const auto activation = GENERATE(NormActivation::kRelu, NormActivation::kSilu);
  const Problem p = make_problem(24, activation);
  rtdetr::set_cpu_level(rtdetr::CpuLevel::kBaseline);
  const Outcome plain = ours(p, torch::kFloat32);
  for (const auto level : {rtdetr::CpuLevel::kAvx2, rtdetr::CpuLevel::kAvx512}) {
    rtdetr::set_cpu_level(level);
    const Outcome fast = ours(p, torch::kFloat32);
    CHECK(difference(plain.y, fast.y) < 3e-6);
    CHECK(difference(plain.grad_x, fast.grad_x) < 1e-5);
  }
  rtdetr::set_cpu_level(rtdetr::best_cpu_level());
}

TEST_CASE("batch norm gives the same bits every time", "[devices]") {
  const Problem p = make_problem(200, NormActivation::kSilu);
  const Outcome first = ours(p, torch::kFloat32);
  CHECK(equal(first, ours(p, torch::kFloat32)));
}

TEST_CASE("batch norm leaves float64 and other layouts to LibTorch", "[devices]") {
  const auto suits = [](at::IntArrayRef shape, torch::ScalarType type, torch::MemoryFormat layout) {
    return rtdetr::suits_batch_norm_act(
        torch::ones(shape, torch::dtype(type).device(test_device())).contiguous(layout));
  };
  constexpr auto kLast = torch::MemoryFormat::ChannelsLast, kFirst = torch::MemoryFormat::Contiguous;
  CHECK(suits({2, 4, 3, 3}, torch::kFloat32, kLast));
  CHECK(suits({2, 4, 3, 3}, torch::kBFloat16, kLast));
  CHECK(suits({2, 4, 3, 3}, torch::kFloat16, kLast) == test_device().is_cuda());
  CHECK_FALSE(suits({2, 4, 3, 3}, torch::kFloat32, kFirst));
  CHECK_FALSE(suits({2, 4, 3, 3}, torch::kFloat64, kLast));
}
