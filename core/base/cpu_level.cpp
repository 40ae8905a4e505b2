#include "core/base/cpu_level.h"

#include <algorithm>
#include <atomic>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace rtdetr {
namespace {

#if defined(__x86_64__) && defined(__linux__)
/// A process has to ask for the registers of tiles, which are 8 KiB more of every thread's state.
bool may_use_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBFloat16 = 1U << 22, kTiles = 1U << 24, kBytes = 1U << 25, kAll = kBFloat16 | kTiles | kBytes;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAll) != kAll) return false;
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) return false;
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}
#else
bool may_use_tiles() { return false; }
#endif

CpuLevel find_best_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return may_use_tiles() ? CpuLevel::kAmx : CpuLevel::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CpuLevel::kAvx2;
#endif
  return CpuLevel::kBaseline;
}

std::atomic<CpuLevel>& level_in_use() {
  static std::atomic<CpuLevel> level{best_cpu_level()};
  return level;
}

}  // namespace

CpuLevel best_cpu_level() {
  static const CpuLevel best = find_best_level();
  return best;
}

CpuLevel cpu_level() { return level_in_use().load(std::memory_order_relaxed); }

void set_cpu_level(CpuLevel level) {
  level_in_use().store(std::min(level, best_cpu_level()), std::memory_order_relaxed);
}

bool has_bfloat16_products() {
#if defined(__x86_64__)
  return cpu_level() >= CpuLevel::kAvx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool has_byte_products() {
#if defined(__x86_64__)
  return cpu_level() >= CpuLevel::kAvx512 && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

}  // namespace rtdetr
