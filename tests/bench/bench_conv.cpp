// The convolutions of a model with ReLU: PackedConv against LibTorch's best, oneDNN with weights in its own order.
// Every round walks through the whole model, so that weights come from memory as they do in a model; layer by layer the
// two take turns. Prints a table, then one line of JSON: shortest times, and the sums over the model.
//
//   build/release/tests/bench/rtdetr_bench_conv r18vd [threads=1] [level=avx512|avx2|baseline] [rounds=10]
//       [format=fp32|bf16|int8]
//   ONEDNN_MAX_CPU_ISA=AVX2 … level=avx2       to hold both to AVX2
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <nlohmann/json.hpp>

#include "core/base/cpu_level.h"
#include "core/ops/packed/packed_conv.h"
#include "tests/bench/conv_layers.h"
#include "tests/bench/processor_time.h"
#include "tests/bench/record_ratio.h"

namespace {

using rtdetr::ConvAlgorithm;
using rtdetr::bench::ConvLayer;
using torch::Tensor;

constexpr double kForever = std::numeric_limits<double>::infinity();

struct Setting {
  std::string model = "r18vd", level = "avx512";
  int threads = 1, rounds = 10;
  ConvAlgorithm algorithm = ConvAlgorithm::kAuto;  ///< where it can be used
  rtdetr::NumberFormat format = rtdetr::NumberFormat::kFloat32;
};

const char* name_of(ConvAlgorithm algorithm) {
  const char* names[] = {"auto", "product", "tiles", "winograd2", "winograd4", "depthwise"};
  return names[static_cast<int>(algorithm)];
}

Setting parse(int argc, char** argv) {
  Setting s;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i], value = word.substr(word.find('=') + 1);
    if (word.rfind("threads=", 0) == 0) {
      s.threads = std::atoi(value.c_str());
    } else if (word.rfind("rounds=", 0) == 0) {
      s.rounds = std::atoi(value.c_str());
    } else if (word.rfind("level=", 0) == 0) {
      s.level = value;
    } else if (word.rfind("format=", 0) == 0) {
      s.format = value == "bf16"   ? rtdetr::NumberFormat::kBFloat16
                 : value == "int8" ? rtdetr::NumberFormat::kInt8
                                   : rtdetr::NumberFormat::kFloat32;
    } else if (word.rfind("algorithm=", 0) == 0) {
      for (int a = 0; a < 5; ++a)
        if (value == name_of(static_cast<ConvAlgorithm>(a))) s.algorithm = static_cast<ConvAlgorithm>(a);
    } else {
      s.model = word;
    }
  }
  return s;
}

/// Memory that all layers of ours share, as LibTorch's allocator gives theirs the same again and again.
struct Arena {
  Tensor y, workspace;
};

/// One layer in both ways.
struct Contest {
  ConvLayer layer;
  Tensor x, weight, bias, theirs_weight;
  rtdetr::PackedConv ours;
  double best = kForever, best_theirs = kForever;
};

rtdetr::PackedConvOptions options_of(const ConvLayer& l, const Setting& s) {
  const ConvAlgorithm wanted = s.algorithm;
  const bool winograd = wanted == ConvAlgorithm::kWinograd2 || wanted == ConvAlgorithm::kWinograd4;
  const bool fits = wanted == ConvAlgorithm::kProduct || (winograd && l.kernel == 3 && l.stride == 1 && l.groups == 1);
  rtdetr::PackedConvOptions o;
  o.in = l.in;
  o.out = l.out;
  o.kernel_h = o.kernel_w = l.kernel;
  o.stride = l.stride;
  o.padding = l.padding();
  o.groups = l.groups;
  o.activation = rtdetr::FusedActivation::kRelu;
  if (fits) o.algorithm = wanted;
  o.format = s.format;
  o.bytes = rtdetr::byte_scale(0, 5);  // of the drawn inputs
  return o;
}

const auto& theirs_reorder() {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_convolution_weight", "")
                             .typed<Tensor(const Tensor&, c10::SymIntArrayRef, c10::SymIntArrayRef, c10::SymIntArrayRef,
                                           c10::SymInt, at::OptionalSymIntArrayRef)>();
  return op;
}

Tensor theirs(const Contest& c) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
                             .typed<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, at::IntArrayRef,
                                           at::IntArrayRef, at::IntArrayRef, std::int64_t, std::string_view,
                                           c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  const std::int64_t p = c.layer.padding(), s = c.layer.stride;
  return op.call(c.x, c.theirs_weight, c.bias, {p, p}, {s, s}, {1, 1}, c.layer.groups, "relu",
                 c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

Contest make_contest(const ConvLayer& l, const Setting& s) {
  const auto last = torch::MemoryFormat::ChannelsLast;
  const Tensor weight = torch::randn({l.out, l.in / l.groups, l.kernel, l.kernel}) /
                        std::sqrt(static_cast<double>(l.in / l.groups * l.kernel * l.kernel));
  const Tensor x = torch::randn({1, l.in, l.side, l.side}).relu().contiguous(last), bias = torch::randn({l.out});
  Contest c{l,      x,
            weight, bias,
            {},     rtdetr::PackedConv(options_of(l, s), weight.const_data_ptr<float>(), bias.const_data_ptr<float>())};
  const auto pair = [](std::int64_t v) { return std::vector<c10::SymInt>{v, v}; };
  const auto sizes = c10::fromIntArrayRefSlow(x.sizes());
  c.theirs_weight =
      theirs_reorder().call(weight.contiguous(last), pair(l.padding()), pair(l.stride), pair(1), l.groups, sizes);
  return c;
}

void run_ours(const Contest& c, const Arena& arena, int threads) {
  c.ours.run({c.x.const_data_ptr<float>(), 1, c.layer.side, c.layer.side, c.layer.in},
             {arena.y.mutable_data_ptr<float>(), c.layer.out}, {arena.workspace.mutable_data_ptr<float>(), threads});
}

Arena make_arena(const std::vector<Contest>& contests, int threads) {
  std::int64_t y = 0, workspace = 0;
  for (const Contest& c : contests) {
    y = std::max(y, c.layer.out * c.layer.out_side() * c.layer.out_side());
    workspace = std::max(workspace, c.ours.workspace_floats(1, c.layer.side, c.layer.side, threads));
  }
  return {torch::zeros({y}), torch::zeros({workspace})};
}

/// One thread is timed by what it used, several by the clock. The input is in the caches as far as it fits: in a model
/// it has just been written.
template <typename Run>
double milliseconds(const Contest& c, int threads, const Run& run) {
  c.x.sum();
  const auto now = [threads] {
    const auto wall = std::chrono::steady_clock::now().time_since_epoch();
    return threads == 1 ? rtdetr::bench::processor_seconds() : std::chrono::duration<double>(wall).count();
  };
  const double begin = now();
  run();
  return 1e3 * (now() - begin);
}

double difference(const Contest& c, const Arena& arena) {
  run_ours(c, arena, 1);
  const std::int64_t side = c.layer.out_side();
  const Tensor y =
      arena.y.narrow(0, 0, side * side * c.layer.out).view({1, side, side, c.layer.out}).permute({0, 3, 1, 2});
  const Tensor want = torch::conv2d(c.x.to(torch::kDouble), c.weight.to(torch::kDouble), c.bias.to(torch::kDouble),
                                    c.layer.stride, c.layer.padding(), 1, c.layer.groups)
                          .relu();
  return ((y - want).abs().max() / want.abs().max()).item<double>();
}

nlohmann::json report(const std::vector<Contest>& contests, const Arena& arena) {
  nlohmann::json layers = nlohmann::json::array();
  double ours = 0, theirs = 0, operations = 0;
  std::printf("%5s %5s %2s %2s %5s %5s %3s %10s %9s %9s %8s %8s %6s %8s\n", "in", "out", "k", "s", "group", "side", "n",
              "algorithm", "ours ms", "oneDNN", "GFLOP/s", "oneDNN", "ratio", "error");
  for (const Contest& c : contests) {
    const ConvLayer& l = c.layer;
    const char* algorithm = name_of(c.ours.algorithm());
    const double error = std::getenv("RTDETR_BENCH_NO_ERROR") ? 0 : difference(c, arena), giga = l.operations() * 1e-6;
    std::printf("%5ld %5ld %2ld %2ld %5ld %5ld %3d %10s %9.3f %9.3f %8.1f %8.1f %6.2f %8.1e\n", l.in, l.out, l.kernel,
                l.stride, l.groups, l.side, l.count, algorithm, c.best, c.best_theirs, giga / c.best,
                giga / c.best_theirs, c.best / c.best_theirs, error);
    layers.push_back({{"in", l.in},
                      {"out", l.out},
                      {"kernel", l.kernel},
                      {"stride", l.stride},
                      {"groups", l.groups},
                      {"side", l.side},
                      {"count", l.count},
                      {"algorithm", algorithm},
                      {"ms", c.best},
                      {"onednn_ms", c.best_theirs},
                      {"error", error}});
    rtdetr::bench::record_ratio(std::to_string(l.in) + " to " + std::to_string(l.out) + ", " +
                                    std::to_string(l.kernel) + "x" + std::to_string(l.kernel) + " of stride " +
                                    std::to_string(l.stride) + ", " + std::to_string(l.groups) + " groups, side " +
                                    std::to_string(l.side),
                                c.best, c.best_theirs);
    ours += l.count * c.best;
    theirs += l.count * c.best_theirs;
    operations += l.count * giga;
  }
  std::printf("all %.1f ms, oneDNN %.1f ms, %.1f and %.1f GFLOP/s, ratio %.3f\n", ours, theirs, operations / ours,
              operations / theirs, ours / theirs);
  return {
      {"ms", ours}, {"onednn_ms", theirs}, {"ratio", ours / theirs}, {"gflop", operations / 1e3}, {"layers", layers}};
}

}  // namespace

int main(int argc, char** argv) {
  const Setting s = parse(argc, argv);
  const auto* layers = rtdetr::bench::layers_of(s.model);
  if (!layers) return std::fprintf(stderr, "model: r18vd, r50vd, rtdetr-l or rtdetr-n\n"), 2;
  rtdetr::set_cpu_level(s.level == "avx2"     ? rtdetr::CpuLevel::kAvx2
                        : s.level == "avx512" ? rtdetr::CpuLevel::kAvx512
                                              : rtdetr::CpuLevel::kBaseline);
  const c10::InferenceMode inference;
  at::set_num_threads(s.threads);
  std::vector<Contest> contests;
  for (const ConvLayer& layer : *layers) contests.push_back(make_contest(layer, s));
  const Arena arena = make_arena(contests, s.threads);
  for (int round = 0; round < s.rounds; ++round) {
    for (Contest& c : contests) {
      c.best = std::min(c.best, milliseconds(c, s.threads, [&] { run_ours(c, arena, s.threads); }));
      c.best_theirs = std::min(c.best_theirs, milliseconds(c, s.threads, [&] { theirs(c); }));
    }
  }
  nlohmann::json record = report(contests, arena);
  record.update({{"model", s.model}, {"threads", s.threads}, {"level", s.level}, {"rounds", s.rounds}});
  std::printf("%s\n", record.dump().c_str());
}
