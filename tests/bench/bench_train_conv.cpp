// The 3x3 convolutions of stride 1 in training: forward, gradient of the input, gradient of the filters, each by
// Winograd's F(2x2) and F(4x4) and by LibTorch. Process time of the shortest of some rounds, and the largest
// difference to float64, divided by the result's largest number.
//
//   build/release/tests/bench/rtdetr_bench_train_conv [batch=4] [rounds=5] [threads=1] [level=avx2] [type=bf16]
//
// With type=bf16 the maps are bf16.
#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <malloc.h>

#include <array>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/base/cpu_level.h"
#include "core/ops/conv.h"
#include "tests/bench/processor_time.h"

namespace {

using namespace rtdetr;
using torch::Tensor;

struct Shape {
  std::int64_t in, out, side;
};

/// Of the official r18vd and of rtdetr-l, pictures of 320x320.
const std::vector<Shape> kShapes{{32, 32, 160},  {32, 64, 160},  {64, 64, 80},   {48, 48, 80},
                                 {128, 128, 40}, {96, 96, 40},   {256, 256, 40}, {256, 256, 20},
                                 {128, 128, 20}, {512, 512, 10}, {256, 256, 10}, {128, 128, 10}};

using Parts = std::array<Tensor, 3>;  ///< y, dx, dw

Parts parts_of(const std::function<Tensor(const Tensor&, const Tensor&)>& conv, const Tensor& x, const Tensor& weight,
               const Tensor& dy, std::array<double, 3>& best) {
  const auto timed = [&](int i, const std::function<Tensor()>& work) {
    const double begin = bench::processor_seconds();
    const Tensor result = work();
    best[static_cast<std::size_t>(i)] =
        std::min(best[static_cast<std::size_t>(i)], 1e3 * (bench::processor_seconds() - begin));
    return result;
  };
  const Tensor lx = x.detach().set_requires_grad(true), lw = weight.detach().set_requires_grad(true);
  Parts parts;
  const Tensor y = timed(0, [&] { return conv(lx, lw); });
  parts[0] = y.detach();
  parts[1] = timed(1, [&] { return torch::autograd::grad({y}, {lx}, {dy}, true)[0]; });
  parts[2] = timed(2, [&] { return torch::autograd::grad({y}, {lw}, {dy})[0]; });
  return parts;
}

double difference(const Tensor& a, const Tensor& exact) {
  return (a.to(torch::kFloat64) - exact).abs().max().item<double>() / exact.abs().max().item<double>();
}

void measure(const Shape& s, std::int64_t batch, int rounds, torch::ScalarType type) {
  torch::manual_seed(0);
  const auto last = torch::MemoryFormat::ChannelsLast;
  const Tensor x = torch::randn({batch, s.in, s.side, s.side}).relu_().contiguous(last).to(type);
  const Tensor weight = (torch::randn({s.out, s.in, 3, 3}) * 0.05).contiguous(last);
  const Tensor dy = torch::randn({batch, s.out, s.side, s.side}).contiguous(last).to(type);
  const auto torchs = [](const Tensor& a, const Tensor& w) {
    return torch::conv2d(a, w.to(a.scalar_type()), {}, 1, 1);
  };
  std::array<double, 3> unused{1e9, 1e9, 1e9};
  const Parts exact =
      parts_of(torchs, x.to(torch::kFloat64), weight.to(torch::kFloat64), dy.to(torch::kFloat64), unused);
  std::printf("%4lld %4lld %4lld ", static_cast<long long>(s.in), static_cast<long long>(s.out),
              static_cast<long long>(s.side));
  std::array<std::array<double, 3>, 3> best;
  for (auto& b : best) b = {1e9, 1e9, 1e9};
  std::array<Parts, 3> parts;
  for (int round = 0; round < rounds; ++round) {
    parts[0] = parts_of(torchs, x, weight, dy, best[0]);
    for (int outputs : {2, 4})
      parts[static_cast<std::size_t>(outputs / 2)] = parts_of(
          [&](const Tensor& a, const Tensor& w) {
            return winograd_conv2d(a, w, 1, {outputs, outputs});
          },
          x, weight, dy, best[static_cast<std::size_t>(outputs / 2)]);
  }
  for (std::size_t p = 0; p < 3; ++p) {
    std::printf("| %6.2f F2 %4.2f F4 %4.2f ", best[0][p], best[1][p] / best[0][p], best[2][p] / best[0][p]);
    for (std::size_t w = 0; w < 3; ++w) std::printf("%.1e ", difference(parts[w][p], exact[p]));
  }
  std::printf("| %d\n", winograd_outputs({s.in, s.out, batch, s.side, s.side, type == torch::kBFloat16}));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t batch = 4;
  int rounds = 5, threads = 1;
  torch::ScalarType type = torch::kFloat;
  for (const std::string& word : std::vector<std::string>(argv + 1, argv + argc)) {
    if (word.starts_with("batch=")) batch = std::stoll(word.substr(6));
    if (word.starts_with("rounds=")) rounds = std::stoi(word.substr(7));
    if (word.starts_with("threads=")) threads = std::stoi(word.substr(8));
    if (word == "type=bf16") type = torch::kBFloat16;
    if (word == "level=avx2") set_cpu_level(CpuLevel::kAvx2);
  }
  at::set_num_threads(threads);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as the program does: memory stays with the process
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::printf("  in  out side | forward: LibTorch ms, ratios, errors | input | filters | chosen\n");
  for (const Shape& shape : kShapes) measure(shape, batch, rounds, type);
}
