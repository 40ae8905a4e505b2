// One training step (forward, matching, losses, backward, clipping, AdamW, EMA) on synthetic pictures with seven boxes
// each on average, beside what the project's train_bench.py measured of the peers at the same size.
//
//   python train_bench.py --model official_r18vd --batch 4 --size 320 >peers.jsonl
//   build/release/tests/bench/rtdetr_bench_train rtdetr_r18vd 4 320 [steps] [threads] [fp32|bf16] [peers.jsonl]
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/bench/peers.h"
#include "train/loop/train_step.h"
#include "train/optim/param_groups.h"
#include "train/process/allocator.h"
#include "train/process/machine.h"

namespace {

using namespace rtdetr;

/// 4, 11, 7, 6, 4, … boxes, as train_bench.py has.
Batch make_batch(std::int64_t size, std::int64_t side) {
  constexpr std::array<int, 4> kBoxes{4, 11, 7, 6};
  Random random(3, RandomPurpose::kAugmentation, 0, 0);
  Batch batch{.size = size, .height = side, .width = side};
  batch.images = FloatBlock(static_cast<std::size_t>(size * 3 * side * side));
  for (std::size_t i = 0; i < batch.images.size(); ++i) batch.images.data()[i] = static_cast<float>(random.uniform());
  for (std::int64_t i = 0; i < size; ++i) {
    Batch::Image& image = batch.targets.emplace_back();
    for (int box = 0; box < kBoxes[static_cast<std::size_t>(i % 4)]; ++box) {
      image.labels.push_back(static_cast<std::int64_t>(random.below(80)));
      const double w = random.uniform() * 0.35 + 0.03, h = random.uniform() * 0.35 + 0.03;
      const double x = w / 2 + random.uniform() * (1 - w), y = h / 2 + random.uniform() * (1 - h);
      for (const double value : {x, y, w, h}) image.boxes_cxcywh.push_back(static_cast<float>(value));
    }
  }
  return batch;
}

/// A model with its optimizer and average, as a run has them.
struct Bench {
  DetectionModel model, average;
  AdamW optimizer;
  Ema ema;
  TrainStep step;

  Bench(const std::string& yaml, Precision precision)
      : model(build(yaml)),
        average(build(yaml)),
        optimizer(group_by_shape(trained(), {})),
        ema(*model, *average),
        step(model, optimizer, ema, {.precision = precision}) {
    model->train();
  }

 private:
  static DetectionModel build(const std::string& yaml) {
    DetectionModel model = build_model(load_model_spec(yaml));
    to_channels_last(*model);
    return model;
  }
  std::vector<NamedParameter> trained() const {
    std::vector<NamedParameter> parameters;
    for (const auto& item : model->named_parameters()) {
      if (item.value().requires_grad()) parameters.push_back({item.key(), item.value()});
    }
    return parameters;
  }
};

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) {
    std::fprintf(stderr, "usage: rtdetr_bench_train MODEL BATCH SIZE [steps] [threads] [fp32|bf16] [peers.jsonl]\n");
    return 2;
  }
  const auto word = [&](std::size_t i, const char* missing) { return i < words.size() ? words[i] : missing; };
  const std::int64_t size = std::stoll(words[1]), side = std::stoll(words[2]);
  const int steps = std::stoi(word(3, "6")), threads = std::stoi(word(4, "2"));
  const bool bf16 = word(5, "fp32") == "bf16";
  at::set_num_threads(threads);
  keep_freed_memory();
  Bench bench(words[0], bf16 ? Precision::kBFloat16 : Precision::kFloat32);
  const Batch batch = make_batch(size, side);
  std::vector<double> wall, cpu;
  for (int i = 0; i < steps + 2; ++i) {
    const double wall_begin = wall_seconds(), cpu_begin = processor_seconds();
    const StepReport report = bench.step.run({&batch, 1}, {.epoch = 0, .first_batch = i}, 1);
    if (!report.applied) std::fprintf(stderr, "step %d: not finite\n", i);
    if (i < 2) continue;  // kernels are chosen, memory is taken
    wall.push_back(wall_seconds() - wall_begin);
    cpu.push_back(processor_seconds() - cpu_begin);
  }
  std::sort(wall.begin(), wall.end());
  const double best_cpu = *std::min_element(cpu.begin(), cpu.end());
  std::printf("%s, batch %lld of %lldx%lld, %s, %d threads: step %.3f s (median %.3f), CPU %.3f s, peak %.0f MiB\n",
              words[0].c_str(), static_cast<long long>(size), static_cast<long long>(side),
              static_cast<long long>(side), bf16 ? "bf16" : "fp32", threads, wall.front(), wall[wall.size() / 2],
              best_cpu, peak_memory_mib());
  if (words.size() < 7) return 0;
  bench::print_ratio_title("seconds a step, best; MiB");
  for (const nlohmann::json& peer : bench::read_peers(words[6])) {
    if (!peer.contains("step_s_min") || peer["batch"] != size || peer["size"] != side) continue;
    const std::string name = peer["model"].get<std::string>() + " " + peer["variant"].get<std::string>();
    if (peer["threads"] == threads) bench::print_ratio(name + ", wall", peer["step_s_min"], wall.front(), 0);
    bench::print_ratio(name + ", CPU", peer["cpu_s_min"], best_cpu, 0);
    bench::print_ratio(name + ", peak memory", peer["peak_mib"], peak_memory_mib(), 0);
  }
}
