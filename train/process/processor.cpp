#include "train/process/processor.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "core/base/cpu_level.h"
#include "train/process/cpu_quota.h"

namespace rtdetr {

namespace {

int read_number(const std::string& file, int otherwise) {
  std::ifstream in(file);
  int value = otherwise;
  return in >> value ? value : otherwise;
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

std::string cpu_capability() {
  constexpr std::array<std::string_view, 3> kWords{"default", "avx2", "avx512"};
  constexpr std::array<const char*, 3> kNames{"DEFAULT", "AVX2", "AVX512"};
  const char* wanted = std::getenv("ATEN_CPU_CAPABILITY");
  const auto word = std::find(kWords.begin(), kWords.end(), wanted ? wanted : "");
  if (word != kWords.end()) return kNames[static_cast<std::size_t>(word - kWords.begin())];
  return kNames[static_cast<std::size_t>(std::min(best_cpu_level(), CpuLevel::kAvx512))];
}

}  // namespace rtdetr
