#include "train/process/machine.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <ATen/Parallel.h>

#include "core/base/device_choice.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/ops/autocast.h"
#include "core/ops/device.h"
#include "core/ops/device_memory.h"
#include "train/process/job.h"
#include "train/process/launched_rank.h"

namespace rtdetr {

namespace {

/// Of processes that train together each has a GPU of its own, or all of a machine compute on the CPU: auto settles for
/// that only where there is no GPU. Our launcher shows its ranks all GPUs, others may show each the one that is its
/// own.
OpenedDevice device_of(const Settings& settings) {
  using Kind = DeviceChoice::Kind;
  DeviceChoice choice = device_choice(settings.device, settings.origin_of("device"));
  if (choice.kind == Kind::kCpu) return open_device(choice);
  const auto world = world_of_this_process();
  const int gpus = visible_gpus();
  if (is_launched_rank() && gpus == 1 && choice.each_its_own && world->local_rank > 0)
    throw ConfigError(choice.argument + ": there is 1 GPU for several processes; start one (nproc=1)");
  if (world && world->size > 1 && gpus > 0) choice.kind = Kind::kCuda;
  choice.gpus = {gpu_of_process(choice, world ? world->local_rank : 0, gpus)};
  return open_device(choice);
}

}  // namespace

torch::Device compute_device(const Settings& settings) { return device_of(settings).device; }

std::string describe_device(torch::Device device) {
  return device.is_cpu() ? counted(at::get_num_threads(), "thread") : device.str();
}

void apply_machine_settings(const Settings& settings) {
  const log::Level usual = settings.quiet ? log::Level::kWarning : log::Level::kInfo;
  log::set_level(settings.verbose ? log::Level::kDebug : usual);
  const OpenedDevice opened = device_of(settings);
  if (!opened.reason.empty()) log::info("device=auto: " + opened.reason);
  choose_algorithms(opened.device, settings.deterministic);
  allow_tf32(settings.tf32);
  if (settings.threads > 0)
    at::set_num_threads(static_cast<int>(settings.threads));
  else if (std::getenv("OMP_NUM_THREADS") == nullptr)
    at::set_num_threads(physical_cores());
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::optional<double> device_peak_mib(torch::Device device) {
  const auto bytes = peak_memory_of(device);
  if (!bytes) return std::nullopt;
  constexpr double kMiB = 1 << 20;
  return static_cast<double>(*bytes) / kMiB;
}

std::string command_line() {
  std::ifstream file("/proc/self/cmdline");
  std::string words((std::istreambuf_iterator<char>(file)), {});
  while (!words.empty() && words.back() == '\0') words.pop_back();
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words;
}

}  // namespace rtdetr
