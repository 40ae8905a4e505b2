// Deformable attention: core/ops/ms_deform_attn.h against its grid_sample form (what the references run), taken in
// turns on the CPU or a GPU. Prints the shortest times; below 1 ours is faster. "deterministic" asks for the same bits
// every time, which grid_sample's backward pass refuses on a GPU.
//
//   build/release/tests/bench/rtdetr_bench_ms_deform_attn [threads]
//   RTDETR_TEST_DEVICE=cuda RTDETR_CUDA_PLUGIN=build/release/librtdetr_cuda.so …
#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "tests/bench/record_ratio.h"
#include "tests/support/devices.h"
#include "tests/support/grid_sample_form.h"

namespace {

using rtdetr::LevelShape;
using torch::Tensor;

const std::vector<LevelShape> kLevels = {{80, 80}, {40, 40}, {20, 20}};  // of a picture of 640 x 640
const std::vector<std::int64_t> kPoints = {4, 4, 4};
constexpr std::int64_t kTokens = 8400, kHeads = 8, kChannels = 32;

struct Inputs {
  Tensor value, locations, weights, upstream;
};

Inputs make_inputs(std::int64_t pictures, std::int64_t queries, const torch::Device& device) {
  const auto here = torch::device(device);
  return {torch::randn({pictures, kTokens, kHeads, kChannels}, here).requires_grad_(),
          torch::rand({pictures, queries, kHeads, 12, 2}, here).requires_grad_(),
          torch::randn({pictures, queries, kHeads, 12}, here).softmax(-1).detach().requires_grad_(),
          torch::randn({pictures, queries, kHeads * kChannels}, here)};
}

/// One number of the result is read, so that a GPU has done its work.
template <typename Op>
double forward_ms(const Inputs& in, const Op& op) {
  const torch::NoGradGuard no_grad;
  const auto begin = std::chrono::steady_clock::now();
  op(in.value, kLevels, kPoints, in.locations, in.weights).flatten()[-1].template item<float>();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

template <typename Op>
double both_ms(const Inputs& in, const Op& op) {
  const auto begin = std::chrono::steady_clock::now();
  const Tensor output = op(in.value, kLevels, kPoints, in.locations, in.weights);
  const auto gradients = torch::autograd::grad({output}, {in.value, in.locations, in.weights}, {in.upstream});
  gradients[0].flatten()[-1].item<float>();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

void print(const char* what, std::int64_t pictures, std::int64_t queries, double ours, double theirs) {
  rtdetr::bench::record_ratio(
      std::string(what) + ", " + std::to_string(pictures) + " pictures, " + std::to_string(queries) + " queries", ours,
      theirs);
  std::printf("%-32s %8ld %8ld %9.3f %9.3f %6.2f\n", what, static_cast<long>(pictures), static_cast<long>(queries),
              ours, theirs, ours / theirs);
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  const torch::Device device = rtdetr::test::test_device();
  const auto ours = [](const auto&... inputs) { return rtdetr::ms_deform_attn(inputs...); };
  const auto theirs = [](const auto&... inputs) { return rtdetr::test::ms_deform_attn_by_grid_sample(inputs...); };
  const int turns = device.is_cuda() ? 50 : 5;
  std::printf("%-32s %8s %8s %9s %9s %6s\n", device.str().c_str(), "pictures", "queries", "ours ms", "grid ms",
              "ratio");
  for (const auto& [pictures, queries] : {std::pair<std::int64_t, std::int64_t>{1, 300}, {4, 500}, {16, 500}}) {
    const Inputs in = make_inputs(pictures, queries, device);
    const double never = std::numeric_limits<double>::infinity();
    double forward[2] = {never, never}, both[2] = {never, never}, same_bits = never;
    for (int turn = 0; turn < turns; ++turn) {
      forward[0] = std::min(forward[0], forward_ms(in, ours)),
      forward[1] = std::min(forward[1], forward_ms(in, theirs));
      both[0] = std::min(both[0], both_ms(in, ours)), both[1] = std::min(both[1], both_ms(in, theirs));
      at::globalContext().setDeterministicAlgorithms(true, false);
      same_bits = std::min(same_bits, both_ms(in, ours));
      at::globalContext().setDeterministicAlgorithms(false, false);
    }
    print("forward", pictures, queries, forward[0], forward[1]);
    print("forward and backward", pictures, queries, both[0], both[1]);
    print("the same, deterministic", pictures, queries, same_bits, both[1]);
  }
}
