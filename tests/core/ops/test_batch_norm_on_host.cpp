#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include "core/ops/batch_norm_passes.h"
#include "tests/support/cuda_on_host/cuda_runtime_api.h"
#include "tests/support/thread_world.h"

/// The CUDA plug-in's BatchNorm against the CPU's, without a card.
namespace rtdetr {
namespace {

using torch::Tensor;

struct Problem {
  Tensor x, upstream;  ///< [B, C, H, W] float32, channels last, values that both half types hold exactly
  Tensor weight, bias;
  NormActivation activation = NormActivation::kNone;
};

/// @param offset  of the channels' means, in deviations
Problem make_problem(at::IntArrayRef shape, NormActivation activation, double offset = 1) {
  const auto random = at::make_generator<at::CPUGeneratorImpl>(5);
  const auto map = [&](double mean) {
    const Tensor values = torch::randn(shape, random).add(mean).to(torch::kBFloat16).to(torch::kFloat32);
    return values.contiguous(torch::MemoryFormat::ChannelsLast);
  };
  return {map(offset), map(0), torch::randn({shape[1]}, random) + 1, torch::randn({shape[1]}, random), activation};
}

struct Outcome {
  Tensor y, running_mean, running_var;
  BatchNormGradients gradients;
};

Outcome run(const BatchNormPasses& passes, const Problem& p, torch::ScalarType type, const SumReducer& reduce = {}) {
  Outcome o;
  o.running_mean = torch::full_like(p.weight, 0.5);
  o.running_var = torch::full_like(p.weight, 2);
  const Tensor x = p.x.to(type), upstream = p.upstream.to(type);
  Tensor norm;
  o.y = passes.forward(x, {p.weight, p.bias, o.running_mean, o.running_var, 0.1, 1e-5, p.activation}, reduce, norm);
  o.gradients = passes.backward(upstream, x, norm, p.activation, reduce);
  return o;
}

double largest_gap(const Tensor& a, const Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

/// Of numbers of about 1, and of sums over a channel's pixels in a map of type `type`.
void check_close(const Outcome& cuda, const Outcome& cpu, torch::ScalarType type, double unit) {
  CHECK(cuda.y.scalar_type() == type);
  CHECK(cuda.gradients.x.scalar_type() == type);
  CHECK(cuda.y.is_contiguous(torch::MemoryFormat::ChannelsLast));
  const double size = cpu.gradients.weight.abs().max().item<double>() + 1;
  CHECK(largest_gap(cuda.y, cpu.y) < 8 * unit);
  CHECK(largest_gap(cuda.gradients.x, cpu.gradients.x) < 8 * unit);
  CHECK(largest_gap(cuda.gradients.weight, cpu.gradients.weight) < size * 1e-6);
  CHECK(largest_gap(cuda.gradients.bias, cpu.gradients.bias) < size * 1e-6);
  CHECK(largest_gap(cuda.running_mean, cpu.running_mean) < 1e-6);
  CHECK(largest_gap(cuda.running_var, cpu.running_var) < 1e-6);
}

bool equal(const Outcome& a, const Outcome& b) {
  return torch::equal(a.y, b.y) && torch::equal(a.gradients.x, b.gradients.x) &&
         torch::equal(a.gradients.weight, b.gradients.weight) && torch::equal(a.gradients.bias, b.gradients.bias) &&
         torch::equal(a.running_mean, b.running_mean) && torch::equal(a.running_var, b.running_var);
}

Tensor fixed_mean(const Problem& p) { return torch::linspace(-1, 2, p.weight.size(0)); }
Tensor fixed_variance(const Problem& p) { return torch::linspace(0.5, 3, p.weight.size(0)); }

/// The output, and the gradient of x.
std::pair<Tensor, Tensor> run_fixed(const Problem& p, torch::ScalarType type) {
  const BatchNormPasses passes = batch_norm_cuda_passes();
  Tensor norm;
  const Tensor x = p.x.to(type),
               y = passes.fixed_forward(x, {p.weight, p.bias, fixed_mean(p), fixed_variance(p), 0, 1e-5, p.activation},
                                        norm);
  return {y, passes.fixed_backward(p.upstream.to(type), x, norm, p.activation)};
}

std::pair<Tensor, Tensor> run_fixed_by_libtorch(const Problem& p) {
  const Tensor x = p.x.detach().clone().requires_grad_();
  const Tensor z = torch::batch_norm(x, p.weight, p.bias, fixed_mean(p), fixed_variance(p), false, 0, 1e-5, false);
  const Tensor y = p.activation == NormActivation::kRelu   ? z.relu()
                   : p.activation == NormActivation::kSilu ? torch::silu(z)
                                                           : z;
  y.backward(p.upstream);
  return {y.detach(), x.grad()};
}

constexpr double kFloatUnit = 5e-7;

}  // namespace

TEST_CASE("CUDA's batch norm on an emulated grid gives the CPU's numbers") {
  const auto activation = GENERATE(NormActivation::kNone, NormActivation::kRelu, NormActivation::kSilu);
  // Channels in packs and not, in one group of blocks and in several; pixels in one slice and in several, by fifteen
  // for each thread and otherwise.
  const auto shape = GENERATE(std::vector<std::int64_t>{3, 7, 9, 11}, std::vector<std::int64_t>{3, 40, 9, 11},
                              std::vector<std::int64_t>{1, 40, 12, 20}, std::vector<std::int64_t>{1, 258, 5, 5},
                              std::vector<std::int64_t>{2, 136, 20, 30}, std::vector<std::int64_t>{2, 3, 90, 95},
                              std::vector<std::int64_t>{1, 1, 150, 151});
  const Problem p = make_problem(shape, activation);
  const Outcome cpu = run(batch_norm_cpu_passes(), p, torch::kFloat32);
  check_close(run(batch_norm_cuda_passes(), p, torch::kFloat32), cpu, torch::kFloat32, kFloatUnit);
  check_close(run(batch_norm_cuda_passes(), p, torch::kBFloat16), cpu, torch::kBFloat16, 4e-3);
  check_close(run(batch_norm_cuda_passes(), p, torch::kFloat16), cpu, torch::kFloat16, 5e-4);
}

TEST_CASE("CUDA's batch norm of fixed statistics on an emulated grid gives LibTorch's numbers") {
  const auto activation = GENERATE(NormActivation::kNone, NormActivation::kRelu, NormActivation::kSilu);
  const auto shape = GENERATE(std::vector<std::int64_t>{3, 7, 9, 11}, std::vector<std::int64_t>{2, 136, 20, 30},
                              std::vector<std::int64_t>{1, 16, 1, 1});
  const Problem p = make_problem(shape, activation);
  const auto want = run_fixed_by_libtorch(p);
  const auto size = [](const Tensor& map) { return map.abs().max().item<double>(); };
  for (const auto& [type, unit] :
       {std::pair(torch::kFloat32, kFloatUnit), {torch::kBFloat16, 4e-3}, {torch::kFloat16, 5e-4}}) {
    const auto [y, grad] = run_fixed(p, type);
    CHECK(y.scalar_type() == type);
    CHECK(largest_gap(y, want.first) < unit * size(want.first));
    CHECK(largest_gap(grad, want.second) < unit * size(want.second));
  }
}

TEST_CASE("CUDA's batch norm on an emulated grid reads maps wherever they begin") {
  const Problem aligned = make_problem({2, 16, 9, 11}, NormActivation::kSilu);
  Problem odd = aligned;
  const Tensor memory = torch::empty({aligned.x.numel() + 1});
  odd.x = memory.narrow(0, 1, aligned.x.numel()).as_strided(aligned.x.sizes(), aligned.x.strides(), 1);
  odd.x.copy_(aligned.x);
  CHECK(largest_gap(run(batch_norm_cuda_passes(), odd, torch::kFloat32).y,
                    run(batch_norm_cuda_passes(), aligned, torch::kFloat32).y) < 8 * kFloatUnit);
}

TEST_CASE("CUDA's batch norm on an emulated grid is the same bits whichever thread goes first") {
  const auto type = GENERATE(torch::kFloat32, torch::kFloat16);
  const Problem p = make_problem({2, 36, 40, 40}, NormActivation::kSilu);
  const Outcome first = run(batch_norm_cuda_passes(), p, type);
  const test::ThreadOrder last_first(true);
  CHECK(equal(run(batch_norm_cuda_passes(), p, type), first));
}

TEST_CASE("CUDA's batch norm on an emulated grid gives the parts of a batch what the whole batch has") {
  const auto channels = GENERATE(7, 40);
  const Problem p = make_problem({3, channels, 9, 11}, NormActivation::kSilu);
  const Outcome whole = run(batch_norm_cuda_passes(), p, torch::kFloat32);
  Outcome parts[2];
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    const std::int64_t begin = group.is_main() ? 0 : 1, end = group.is_main() ? 1 : 3;  // one picture, and two
    const Problem own{p.x.slice(0, begin, end), p.upstream.slice(0, begin, end), p.weight, p.bias, p.activation};
    parts[group.rank()] = run(batch_norm_cuda_passes(), own, torch::kFloat32,
                              [&](const Tensor& sums) { group.all_reduce(sums, Reduction::kSum); });
  });
  CHECK(largest_gap(torch::cat({parts[0].y, parts[1].y}), whole.y) < 8 * kFloatUnit);
  CHECK(largest_gap(torch::cat({parts[0].gradients.x, parts[1].gradients.x}), whole.gradients.x) < 8 * kFloatUnit);
  CHECK(largest_gap(parts[0].gradients.weight + parts[1].gradients.weight, whole.gradients.weight) < 1e-4);
  CHECK(largest_gap(parts[0].gradients.bias + parts[1].gradients.bias, whole.gradients.bias) < 1e-4);
  for (const Outcome& part : parts) {
    CHECK(largest_gap(part.running_mean, whole.running_mean) < 1e-7);
    CHECK(largest_gap(part.running_var, whole.running_var) < 1e-6);
  }
}

TEST_CASE("CUDA's batch norm on an emulated grid keeps its digits where means are far from zero") {
  const Problem p = make_problem({3, 16, 9, 11}, NormActivation::kNone, 200);
  const Outcome cpu = run(batch_norm_cpu_passes(), p, torch::kFloat32);
  CHECK(largest_gap(run(batch_norm_cuda_passes(), p, torch::kFloat32).y, cpu.y) < 3e-6);
}

TEST_CASE("CUDA's batch norm on an emulated grid gives one pixel its bias, and passes on what is not a number") {
  const auto activation = GENERATE(NormActivation::kRelu, NormActivation::kSilu);
  Problem p = make_problem({1, 16, 1, 1}, activation);
  const Outcome one = run(batch_norm_cuda_passes(), p, torch::kFloat32),
                cpu = run(batch_norm_cpu_passes(), p, torch::kFloat32);
  CHECK(largest_gap(one.y, cpu.y) < kFloatUnit);
  CHECK(largest_gap(one.running_var, cpu.running_var) < kFloatUnit);

  p = make_problem({1, 16, 4, 4}, activation);
  p.x[0][3][1][1] = std::nan("");
  const Tensor y = run(batch_norm_cuda_passes(), p, torch::kFloat32).y;
  CHECK(torch::isnan(y[0][3]).all().item<bool>());
  CHECK_FALSE(torch::isnan(y[0][4]).any().item<bool>());
}

}  // namespace rtdetr
