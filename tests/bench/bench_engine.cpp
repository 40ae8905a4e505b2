// The CPU engine beside the plain model, and what each step of it takes.
//
//   build/release/tests/bench/rtdetr_bench_engine MODEL.yaml [size, 640] [threads, 1] [rounds, 5] [decoder layers, 0]
//   [fp32|bf16]
//
//   … --serve MODEL.safetensors size threads best|avx2 fp32|bf16 batch
//
// is infer_peers.py's child: it runs a batch for each line it reads. Weights are drawn. Prints the largest
// differences of scores and boxes (queries told apart by their tokens), the minimum of interleaved rounds in processor
// milliseconds of both, then the engine's steps at their best, and sums by kind of step.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>

#include <ATen/Parallel.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/clock.h"
#include "core/base/cpu_level.h"
#include "models/deploy/engine/engine.h"
#include "models/deploy/output_comparison.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "tests/bench/processor_time.h"

namespace rtdetr {
namespace {

/// Initial weights with norms and heads that do something.
void draw_the_rest(torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  for (const auto& buffer : model.named_buffers()) {
    if (buffer.key().find("running_mean") != std::string::npos) buffer.value().normal_(0, 0.1);
    if (buffer.key().find("running_var") != std::string::npos) buffer.value().uniform_(0.5, 1.5);
  }
  for (const auto& parameter : model.named_parameters()) {
    const bool head = parameter.key().find("bbox_head") != std::string::npos ||
                      parameter.key().find("score_head") != std::string::npos ||
                      parameter.key().find("attention_weights") != std::string::npos;
    if (head && parameter.value().dim() == 2) parameter.value().normal_(0, 0.05);
  }
}

struct Times {
  double processor_ms = 1e30, wall_ms = 1e30;
};

template <typename Work>
void measure(Times& best, const Work& work) {
  const double cpu = bench::processor_seconds();
  const Stopwatch watch;
  work();
  best.wall_ms = std::min(best.wall_ms, watch.milliseconds());
  best.processor_ms = std::min(best.processor_ms, 1e3 * (bench::processor_seconds() - cpu));
}

void print_steps(const std::vector<CpuEngine::StepTime>& steps) {
  std::map<std::string, CpuEngine::StepTime> kinds;
  double total = 0;
  for (const CpuEngine::StepTime& step : steps) {
    const double ms = step.ms;
    total += ms;
    std::printf("%8.3f ms %8.1f GFLOP/s  %-24s %s\n", ms, step.gflop > 0 ? step.gflop / ms * 1e3 : 0.0,
                step.kind.c_str(), step.name.c_str());
    kinds[step.kind].ms += ms;
    kinds[step.kind].gflop += step.gflop;
  }
  std::printf("\n");
  for (const auto& [kind, sum] : kinds)
    std::printf("%-24s %8.2f ms %5.1f %%  %8.1f GFLOP/s\n", kind.c_str(), sum.ms, 100 * sum.ms / total,
                sum.gflop > 0 ? sum.gflop / sum.ms * 1e3 : 0.0);
  std::printf("steps %zu, together %.2f ms\n", steps.size(), total);
}

void print_difference(const ModelOutput& plain, const ModelOutput& engine) {
  const OrderedOutput a = ordered_output(plain.layers.back(), plain.topk_indices),
                      b = ordered_output(engine.layers.back(), engine.topk_indices);
  if (a.tokens.defined() && !a.tokens.equal(b.tokens)) {
    std::printf("other tokens: %lld of %lld\n",
                static_cast<long long>(a.tokens.ne(b.tokens).sum().item<std::int64_t>()),
                static_cast<long long>(a.tokens.numel()));
    return;
  }
  const OutputDifference difference = difference_of(a, b);
  std::printf("largest difference: scores %.2e, boxes %.2e\n", difference.max_abs_scores, difference.max_abs_boxes);
}

EngineNumbers numbers_named(const char* name) {
  return {std::strcmp(name, "bf16") == 0 ? NumberFormat::kBFloat16 : NumberFormat::kFloat32};
}

double mib(std::int64_t bytes) { return static_cast<double>(bytes) / 1048576.0; }

/// @param what  a line of the process's status
double status_mib(const std::string& what) {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kib = 0;
  while (status >> word)
    if (word == what) status >> kib;
  return kib / 1024;
}
double peak_mib() { return status_mib("VmHWM:"); }

int serve(char** argv) {
  const int side = std::atoi(argv[3]);
  at::set_num_threads(std::atoi(argv[4]));
  if (std::strcmp(argv[5], "avx2") == 0) set_cpu_level(CpuLevel::kAvx2);
  const c10::InferenceMode inference;
  const Stopwatch loading;
  const double processor = bench::processor_seconds(), started_mib = peak_mib();
  double loaded_s = 0, loaded_mib = 0;
  std::shared_ptr<const CpuEngine> engine;
  {
    LoadedModel loaded = load_model(argv[2]);
    loaded.model->fuse();
    loaded_s = bench::processor_seconds() - processor, loaded_mib = peak_mib();
    engine = CpuEngine::prepare(*loaded.model, {side, side}, {.take_weights = true, .numbers = numbers_named(argv[6])});
  }
  if (!engine) return 1;
  const double load_s = loading.seconds(), prepared_s = bench::processor_seconds() - processor,
               prepared_mib = peak_mib();
  const Tensor images = torch::rand({std::atoi(argv[7]), 3, side, side}).contiguous(torch::MemoryFormat::ChannelsLast);
  engine->run(images);
  engine->run(images);
  std::printf(
      "{\"load_s\": %.3f, \"load_processor_s\": %.3f, \"of_it_reading_s\": %.3f, \"peak_mib\": %.1f, "
      "\"started_mib\": %.1f, \"loaded_mib\": %.1f, \"prepared_mib\": %.1f, \"private_mib\": %.1f}\n",
      load_s, prepared_s, loaded_s, peak_mib(), started_mib, loaded_mib, prepared_mib, status_mib("RssAnon:"));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    Times turn;
    measure(turn, [&] { engine->run(images); });
    std::printf("[%.3f, %.3f]\n", turn.wall_ms, turn.processor_ms);
    std::fflush(stdout);
  }
  return 0;
}

int run(int argc, char** argv) {
  const auto argument = [&](int k, int fallback) { return argc > k ? std::atoi(argv[k]) : fallback; };
  const int side = argument(2, 640), threads = argument(3, 1), rounds = argument(4, 5), layers = argument(5, 0);
  at::set_num_threads(threads);
  const c10::InferenceMode inference;
  DetectionModel model = build_model(load_model_spec(argv[1]));
  draw_the_rest(*model);
  model->fuse();
  const Stopwatch loading;
  const EngineNumbers numbers = numbers_named(argc > 6 ? argv[6] : "fp32");
  const auto engine = CpuEngine::prepare(*model, {side, side}, {.decoder_layers = layers, .numbers = numbers});
  if (!engine) return 1;
  const CpuEngine::Memory memory = engine->memory();
  std::printf("prepared in %.0f ms; MiB: weights %.1f, a call %.1f, of which at one time %.1f\n",
              loading.milliseconds(), mib(memory.weights), mib(memory.call), mib(memory.least_call));
  to_channels_last(*model);
  const Tensor images = torch::rand({1, 3, side, side}).contiguous(torch::MemoryFormat::ChannelsLast);
  ForwardOptions options;
  options.decoder_layers = layers;
  print_difference(model->forward(images, options), engine->run(images));
  Times plain, own;
  std::vector<CpuEngine::StepTime> steps;
  for (int round = 0; round < rounds; ++round) {
    measure(plain, [&] { model->forward(images, options); });
    measure(own, [&] { engine->run(images); });
    std::vector<CpuEngine::StepTime> turn;
    engine->run(images, &turn);
    if (steps.empty()) steps = turn;
    for (std::size_t k = 0; k < steps.size(); ++k) steps[k].ms = std::min(steps[k].ms, turn[k].ms);
  }
  print_steps(steps);
  std::printf("processor ms: plain %.1f, engine %.1f (%.3f); wall ms: plain %.1f, engine %.1f (%.3f)\n",
              plain.processor_ms, own.processor_ms, own.processor_ms / plain.processor_ms, plain.wall_ms, own.wall_ms,
              own.wall_ms / plain.wall_ms);
  return 0;
}

}  // namespace
}  // namespace rtdetr

int main(int argc, char** argv) {
  if (argc == 8 && std::strcmp(argv[1], "--serve") == 0) return rtdetr::serve(argv);
  if (argc < 2) return std::fprintf(stderr, "usage: %s MODEL.yaml [size] [threads] [rounds] [layers]\n", argv[0]), 2;
  return rtdetr::run(argc, argv);
}
