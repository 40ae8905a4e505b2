// One training step (forward, matching, losses, backward, clipping, AdamW, EMA) on synthetic pictures with seven boxes
// each on average, beside what the project's train_bench.py measured of the peers at the same size.
//
//   python train_bench.py --model official_r18vd --batch 4 --size 320 >peers.jsonl
//   build/release/tests/bench/rtdetr_bench_train rtdetr_r18vd 4 320 peers=peers.jsonl
//
// Without words it says which it takes. level=avx2 is of our own kernels; LibTorch's and the peers' have
// ONEDNN_MAX_CPU_ISA=AVX2 and ATEN_CPU_CAPABILITY=avx2. Every variant is a model of its own and a line: a precision,
// alone or followed by _deterministic; tf32 is fp32 whose products a GPU may round so.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "core/base/cpu_level.h"
#include "core/base/text.h"
#include "core/ops/autocast.h"
#include "core/ops/device.h"
#include "core/ops/device_memory.h"
#include "tests/bench/peers.h"
#include "tests/bench/step_bench.h"
#include "tests/support/devices.h"
#include "train/process/allocator.h"
#include "train/process/machine.h"

namespace {

using namespace rtdetr;

/// What a variant's name says.
struct Variant {
  std::string name;
  Precision precision = Precision::kFloat32;
  bool full_float32 = true;  ///< products of float32 are rounded to float32, not to TF32
  bool deterministic = false;
};

Variant variant_of(const std::string& name) {
  const std::string same_bits = "_deterministic", tf32 = "tf32";
  Variant variant{.name = name, .deterministic = name.ends_with(same_bits)};
  const std::string word = name.substr(0, name.size() - (variant.deterministic ? same_bits.size() : 0));
  if (word != tf32) variant.precision = chosen("variants", word, kFloatWords);
  variant.full_float32 = word != tf32 && variant.precision == Precision::kFloat32;
  return variant;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Of tensors on the card, else of the whole process.
double peak_mib(torch::Device device) {
  const auto of_card = device_peak_mib(device);
  return of_card ? *of_card : peak_memory_mib();
}

struct Times {
  double best_s = 0, median_s = 0, cpu_s = 0, peak_mib = 0;
};

Times take_steps(bench::StepBench& bench, const Batch& batch, int steps, torch::Device device) {
  constexpr int kWarmUp = 2;  // kernels are chosen, memory is taken
  std::vector<double> wall, cpu;
  for (int i = 0; i < steps + kWarmUp; ++i) {
    if (i == kWarmUp) forget_peak_memory_of(device);
    const double wall_begin = wall_seconds(), cpu_begin = processor_seconds();
    const StepReport report = bench.step.run({&batch, 1}, {.epoch = 0, .first_batch = i}, 1);
    wait_for(device);
    if (!report.applied && !report.overflowed()) std::fprintf(stderr, "step %d: not finite\n", i);
    if (i < kWarmUp) continue;
    wall.push_back(wall_seconds() - wall_begin);
    cpu.push_back(processor_seconds() - cpu_begin);
  }
  std::sort(wall.begin(), wall.end());
  return {wall.front(), wall[wall.size() / 2], *std::min_element(cpu.begin(), cpu.end()), peak_mib(device)};
}

struct Options {
  std::string model;
  std::int64_t batch = 0, side = 0;
  std::map<std::string, std::string> keys{{"variants", "fp32"}, {"steps", "6"}, {"threads", "2"},
                                          {"device", "cpu"},    {"level", ""},  {"peers", ""}};
};

/// @return  whether the words say what to do
bool read(const std::vector<std::string>& words, Options& options) {
  if (words.size() < 3) return false;
  options.model = words[0];
  options.batch = std::stoll(words[1]);
  options.side = std::stoll(words[2]);
  for (std::size_t i = 3; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    const auto key = options.keys.find(words[i].substr(0, equals));
    if (equals == std::string::npos || key == options.keys.end()) return false;
    key->second = words[i].substr(equals + 1);
  }
  return true;
}

void compare(const Options& options, const Times& ours) {
  const std::string& file = options.keys.at("peers");
  if (file.empty()) return;
  bench::print_ratio_title("seconds a step, best; MiB");
  for (const nlohmann::json& peer : bench::read_peers(file)) {
    if (!peer.contains("step_s_min") || peer["batch"] != options.batch || peer["size"] != options.side) continue;
    const std::string name = peer["model"].get<std::string>() + " " + peer["variant"].get<std::string>();
    if (peer["threads"] == at::get_num_threads())
      bench::print_ratio(name + ", wall", peer["step_s_min"], ours.best_s, 0);
    bench::print_ratio(name + ", CPU", peer["cpu_s_min"], ours.cpu_s, 0);
    bench::print_ratio(name + ", peak memory", peer["peak_mib"], ours.peak_mib, 0);
  }
}

void measure(const Options& options, const Variant& variant, torch::Device device) {
  allow_tf32(!variant.full_float32);
  choose_algorithms(device, variant.deterministic);
  bench::StepBench step(options.model, {.precision = variant.precision, .device = device});
  const Batch batch = bench::make_batch(options.batch, options.side, device);
  const Times times = take_steps(step, batch, std::stoi(options.keys.at("steps")), device);
  std::printf("%s, batch %lld of %lldx%lld, %s, %s, %d threads: step %.4f s (median %.4f), CPU %.3f s, peak %.0f MiB\n",
              options.model.c_str(), static_cast<long long>(options.batch), static_cast<long long>(options.side),
              static_cast<long long>(options.side), variant.name.c_str(), device.str().c_str(), at::get_num_threads(),
              times.best_s, times.median_s, times.cpu_s, times.peak_mib);
  std::fflush(stdout);
  compare(options, times);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read({argv + 1, argv + argc}, options)) {
    std::fprintf(
        stderr,
        "usage: rtdetr_bench_train MODEL BATCH SIZE [variants=fp32] [steps=6] [threads=2] [device=cpu] [level=avx2] "
        "[peers=FILE]\n"
        "variants, with commas between: tf32, %s, each also with _deterministic\n",
        join(words_of(kFloatWords), ", ").c_str());
    return 2;
  }
  try {
    const torch::Device device = test::device_named(options.keys.at("device"));
    at::set_num_threads(std::stoi(options.keys.at("threads")));
    if (options.keys.at("level") == "avx2") set_cpu_level(CpuLevel::kAvx2);
    keep_freed_memory();
    for (const std::string& name : split(options.keys.at("variants"), ',')) measure(options, variant_of(name), device);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
