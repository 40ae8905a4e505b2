// Training BatchNorm with its activation, forward and backward: core/ops/batch_norm.h against LibTorch's two operators,
// taken in turns. Prints the ratio of the shortest times; below 1 ours is faster.
//
//   build/release/tests/bench/rtdetr_bench_batch_norm [threads]
//   RTDETR_TEST_DEVICE=cuda RTDETR_CUDA_PLUGIN=build/release/librtdetr_cuda.so …
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "core/ops/batch_norm.h"
#include "core/ops/device.h"
#include "tests/bench/record_ratio.h"
#include "tests/support/devices.h"

namespace {

using rtdetr::NormActivation;
using rtdetr::test::test_device;
using torch::Tensor;

struct Map {
  Tensor x, upstream, weight, bias, mean, var;
};

Map make_map(std::int64_t channels, std::int64_t side, torch::Dtype type) {
  const auto random = [&] {
    return torch::randn({8, channels, side, side})
        .to(test_device(), type)
        .contiguous(torch::MemoryFormat::ChannelsLast);
  };
  const auto all = [&](float value) { return torch::full({channels}, value, test_device()); };
  return {random().requires_grad_(), random(), all(1).requires_grad_(), all(0).requires_grad_(), all(0), all(1)};
}

void ours(const Map& m, NormActivation activation) {
  rtdetr::batch_norm_act(m.x, m.weight, m.bias, m.mean, m.var, 0.1, 1e-5, activation).backward(m.upstream);
}

void theirs(const Map& m, NormActivation activation) {
  Tensor z = torch::batch_norm(m.x, m.weight, m.bias, m.mean, m.var, true, 0.1, 1e-5, false);
  (activation == NormActivation::kRelu ? torch::relu_(z) : torch::silu(z)).backward(m.upstream);
}

template <typename Run>
double milliseconds(const Run& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  rtdetr::wait_for(test_device());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  std::printf("%9s %5s %5s %5s %9s %9s %6s\n", "channels", "side", "type", "act", "ours ms", "torch ms", "ratio");
  for (const auto& [channels, side] : {std::pair{16, 160}, {32, 80}, {64, 40}, {128, 40}, {128, 20}, {256, 10}}) {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      for (const auto activation : {NormActivation::kRelu, NormActivation::kSilu}) {
        const Map map = make_map(channels, side, type);
        double best = std::numeric_limits<double>::infinity(), best_theirs = best;
        for (int turn = 0; turn < 20; ++turn) {
          best = std::min(best, milliseconds([&] { ours(map, activation); }));
          best_theirs = std::min(best_theirs, milliseconds([&] { theirs(map, activation); }));
        }
        rtdetr::bench::record_ratio(std::to_string(channels) + " channels of side " + std::to_string(side) +
                                        (type == torch::kFloat32 ? ", fp32, " : ", bf16, ") +
                                        (activation == NormActivation::kRelu ? "relu" : "silu"),
                                    best, best_theirs);
        std::printf("%9d %5d %5s %5s %9.3f %9.3f %6.2f\n", channels, side, type == torch::kFloat32 ? "fp32" : "bf16",
                    activation == NormActivation::kRelu ? "relu" : "silu", best, best_theirs, best / best_theirs);
      }
    }
  }
}
