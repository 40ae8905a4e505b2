#include "train/process/machine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/ops/cuda_plugin.h"
#include "core/ops/device.h"
#include "train/config/device_choice.h"
#include "train/process/cpu_quota.h"
#include "train/process/own_gpu.h"

namespace rtdetr {

namespace {

int read_number(const std::string& file, int otherwise) {
  std::ifstream in(file);
  int value = otherwise;
  return in >> value ? value : otherwise;
}

void refuse_missing_device(const Settings& settings) {
  const DeviceChoice choice = device_choice(settings.device, settings.origin_of("device"));
  if (choice.kind != DeviceChoice::Kind::kCuda) return;
  const std::string argument = "device=" + settings.device + settings.origin_of("device");
  try {
    load_cuda_plugin();
  } catch (const ConfigError& error) {
    throw ConfigError(argument + " is not available: " + error.what() + "; device=cpu always is");
  }
  throw ConfigError(argument + ": this version trains and detects on the CPU; use device=cpu");
}

}  // namespace

int physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    cores.emplace(read_number(topology + "physical_package_id", 0), read_number(topology + "core_id", cpu));
  }
  const double limit = std::min(static_cast<double>(cores.size()), std::ceil(cpu_quota()));
  return std::max(1, static_cast<int>(limit));
}

torch::Device compute_device(const Settings& settings) {
  const DeviceChoice choice = device_choice(settings.device, settings.origin_of("device"));
  if (choice.kind != DeviceChoice::Kind::kCuda) return torch::kCPU;
  return open_device("cuda:" + std::to_string(own_gpu(choice)));
}

void apply_machine_settings(const Settings& settings) {
  if (settings.quiet) log::set_level(log::Level::kWarning);
  if (settings.verbose) log::set_level(log::Level::kDebug);
  refuse_missing_device(settings);
  if (settings.threads > 0)
    at::set_num_threads(static_cast<int>(settings.threads));
  else if (std::getenv("OMP_NUM_THREADS") == nullptr)
    at::set_num_threads(physical_cores());
}

Versions versions() {
  Versions result;
  result.program = RTDETR_VERSION;
  result.libtorch = TORCH_VERSION;
  result.compiler = RTDETR_COMPILER;
  result.cpu_capability = at::get_cpu_capability();
  return result;
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::string command_line() {
  std::ifstream file("/proc/self/cmdline");
  std::string words((std::istreambuf_iterator<char>(file)), {});
  while (!words.empty() && words.back() == '\0') words.pop_back();
  std::replace(words.begin(), words.end(), '\0', ' ');
  return words;
}

}  // namespace rtdetr
