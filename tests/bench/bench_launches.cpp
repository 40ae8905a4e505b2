// What one training step asks of a device, counted on a device without hardware (tests/support/counting_device.h):
// kernel launches and waits of the host by part of the step, and the operators that launch most. Times nothing.
//
//   build/release/tests/bench/rtdetr_bench_launches rtdetr_r18vd 2 320 [operators shown]
#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/step_bench.h"
#include "tests/support/counting_device.h"
#include "tests/support/device_log.h"

namespace {

using namespace rtdetr;
using test::DeviceLog;

void print_parts(const DeviceLog& log) {
  std::printf("| part of the step | launches | waits |\n|---|---|---|\n");
  const auto line = [](const std::string& name, const DeviceLog::Counts& counts) {
    std::printf("| %s | %lld | %lld |\n", name.c_str(), static_cast<long long>(counts.launches),
                static_cast<long long>(counts.waits));
  };
  for (const auto& [part, counts] : log.by_part()) line(part.empty() ? "other" : part, counts);
  line("all", log.total());
  for (const std::string& wait : log.waits()) std::printf("wait in %s\n", wait.c_str());
}

/// By part and operator, the most frequent first.
void print_operators(const DeviceLog& log, std::size_t most) {
  std::map<std::string, int> counts;
  for (const DeviceLog::Event& event : log.events()) ++counts[event.part + ": " + event.op];
  std::vector<std::pair<int, std::string>> rows;
  for (const auto& [name, count] : counts) rows.emplace_back(-count, name);
  std::sort(rows.begin(), rows.end());
  for (std::size_t i = 0; i < std::min(most, rows.size()); ++i)
    std::printf("%6d  %s\n", -rows[i].first, rows[i].second.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) {
    std::fprintf(stderr, "usage: rtdetr_bench_launches MODEL BATCH SIZE [operators shown]\n");
    return 2;
  }
  const torch::Device device = test::counting_device();
  bench::StepBench bench(words[0], {.device = device}, [&](torch::nn::Module& model) { test::move_to(model, device); });
  const Batch batch = bench::make_batch(std::stoll(words[1]), std::stoll(words[2]), device);
  bench.step.run({&batch, 1}, {}, 1);  // fills the tables
  const DeviceLog log;
  const StepReport report = bench.step.run({&batch, 1}, {.epoch = 0, .first_batch = 1}, 1);
  if (!report.applied) std::fprintf(stderr, "the step was not finite\n");
  print_parts(log);
  if (words.size() > 3) print_operators(log, std::stoul(words[3]));
}
