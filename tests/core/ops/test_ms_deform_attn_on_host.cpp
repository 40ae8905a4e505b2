#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/ms_deform_attn_kernels.h"
#include "tests/support/cuda_on_host/cuda_runtime_api.h"
#include "tests/support/deterministic.h"

/// The CUDA plug-in's kernels against the CPU's, without a card.
namespace rtdetr {
namespace {

using torch::Tensor;

struct DeformProblem {
  MsDeformAttnShape shape;
  Tensor value, locations, weights, upstream;  ///< float64
};

/// Maps of 6x8, 3x4 and 2x2 with 3, 4 and 2 points; locations reach outside on all sides.
DeformProblem make_problem(std::int64_t channels, SamplingMethod method) {
  MsDeformAttnShape s;
  s.batch = 2, s.tokens = 64, s.heads = 3, s.channels = channels, s.queries = 5, s.points = 9, s.levels = 3;
  s.method = method;
  const std::int32_t height[] = {6, 3, 2}, width[] = {8, 4, 2}, token[] = {0, 48, 60}, point[] = {0, 3, 7, 9};
  std::copy_n(height, 3, s.height);
  std::copy_n(width, 3, s.width);
  std::copy_n(token, 3, s.first_token);
  std::copy_n(point, 4, s.first_point);
  const auto random = at::make_generator<at::CPUGeneratorImpl>(11);
  return {s, torch::randn({2, 64, 3, channels}, random, torch::kFloat64),
          torch::rand({2, 5, 3, 9, 2}, random, torch::kFloat64) * 1.6 - 0.3,
          torch::randn({2, 5, 3, 9}, random, torch::kFloat64).softmax(-1),
          torch::randn({2, 5, 3 * channels}, random, torch::kFloat64)};
}

struct DeformResult {
  Tensor output, value, locations, weights;  ///< the last three: gradients; locations undefined for discrete sampling
};

/// @param type  of value and output
DeformResult run(const MsDeformAttnKernels& kernels, const DeformProblem& p, torch::ScalarType type) {
  const auto wide = type == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const Tensor value = p.value.to(type), locations = p.locations.to(wide), weights = p.weights.to(wide);
  DeformResult r{
      torch::full_like(p.upstream, NAN, type), torch::zeros_like(value, wide), {}, torch::full_like(weights, NAN)};
  if (p.shape.method == SamplingMethod::kBilinear) r.locations = torch::full_like(locations, NAN);
  kernels.forward(p.shape, value, locations, weights, r.output);
  kernels.backward(p.shape, value, locations, weights, p.upstream.to(type), r.value, r.locations, r.weights);
  return r;
}

double largest_gap(const Tensor& a, const Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

void check_close(const DeformResult& a, const DeformResult& b, double limit, double output_limit) {
  CHECK(largest_gap(a.output, b.output) < output_limit);
  CHECK(largest_gap(a.value, b.value) < limit);
  CHECK(largest_gap(a.weights, b.weights) < limit);
  REQUIRE(a.locations.defined() == b.locations.defined());
  if (a.locations.defined()) CHECK(largest_gap(a.locations, b.locations) < 20 * limit);
}

bool equal(const DeformResult& a, const DeformResult& b) {
  return torch::equal(a.output, b.output) && torch::equal(a.value, b.value) && torch::equal(a.weights, b.weights) &&
         torch::equal(a.locations, b.locations);
}

}  // namespace

TEST_CASE("CUDA's deformable attention on an emulated grid gives the CPU's numbers") {
  const auto channels = GENERATE(1, 5, 32, 40);
  const auto method = GENERATE(SamplingMethod::kBilinear, SamplingMethod::kDiscrete, SamplingMethod::kDiscreteSquare);
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  const double limit = type == torch::kFloat64 ? 1e-13 : 2e-5;
  const DeformProblem p = make_problem(channels, method);
  const DeformResult cpu = run(ms_deform_attn_cpu_kernels(), p, type);
  check_close(run(ms_deform_attn_cuda_kernels(), p, type), cpu, limit, limit);
  const test::Deterministic sorted;
  check_close(run(ms_deform_attn_cuda_kernels(), p, type), cpu, limit, limit);
}

TEST_CASE("CUDA's deformable attention of half values on an emulated grid is float32's, rounded once") {
  const auto type = GENERATE(torch::kFloat16, torch::kBFloat16);
  DeformProblem p = make_problem(32, SamplingMethod::kBilinear);
  for (Tensor* t : {&p.value, &p.upstream}) *t = t->to(type).to(torch::kFloat64);  // so that both see the same numbers
  const DeformResult cpu = run(ms_deform_attn_cpu_kernels(), p, torch::kFloat32);
  const DeformResult half = run(ms_deform_attn_cuda_kernels(), p, type);
  CHECK(half.value.scalar_type() == torch::kFloat32);
  CHECK(half.output.scalar_type() == type);
  const double unit = type == torch::kFloat16 ? 1e-3 : 8e-3;  // of outputs below 2, half a unit and float32's rounding
  check_close(half, cpu, 2e-5, unit);
}

TEST_CASE("CUDA's deterministic gradients on an emulated grid are the same bits whichever thread goes first") {
  const auto type = GENERATE(torch::kFloat32, torch::kBFloat16);
  const DeformProblem p = make_problem(40, SamplingMethod::kBilinear);
  const test::Deterministic sorted;
  const DeformResult first = run(ms_deform_attn_cuda_kernels(), p, type);
  const test::ThreadOrder last_first(true);
  CHECK(equal(run(ms_deform_attn_cuda_kernels(), p, type), first));
}

}  // namespace rtdetr
