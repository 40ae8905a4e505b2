#include "core/base/cpu_level.h"

#include <algorithm>
#include <atomic>

namespace rtdetr {
namespace {

std::atomic<CpuLevel>& level_in_use() {
  static std::atomic<CpuLevel> level{best_cpu_level()};
  return level;
}

}  // namespace

CpuLevel best_cpu_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return CpuLevel::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CpuLevel::kAvx2;
#endif
  return CpuLevel::kBaseline;
}

CpuLevel cpu_level() { return level_in_use().load(std::memory_order_relaxed); }

void set_cpu_level(CpuLevel level) {
  level_in_use().store(std::min(level, best_cpu_level()), std::memory_order_relaxed);
}

bool has_bfloat16_products() {
#if defined(__x86_64__)
  return cpu_level() == CpuLevel::kAvx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool has_byte_products() {
#if defined(__x86_64__)
  return cpu_level() == CpuLevel::kAvx512 && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

}  // namespace rtdetr
