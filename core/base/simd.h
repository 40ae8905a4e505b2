#pragma once

#include "core/base/cpu_level.h"

/// Code for several instruction sets, one way for each of three needs:
///
/// * A loop that the compiler vectorises: RTDETR_SIMD before the function. The bits are the plain version's.
/// * Loops with fused multiply-adds or vector types: written once as RTDETR_INLINE templates, called from entry points
///   that RTDETR_FOR_EACH_CPU_LEVEL makes for each level, chosen by at_cpu_level(). They agree to rounding.
/// * Intrinsics: RTDETR_TARGET_… before the function (and after a lambda's parameters); the caller asks cpu_level().

/// Lets the compiler build a function twice, for AVX2 and for the plain processor, and choose when the program starts.
/// AVX2 without fused multiply-add: both versions round alike. Off under sanitizers, whose start-up comes after that
/// choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define RTDETR_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define RTDETR_SIMD
#endif

/// Takes over the instruction set of the function it is called from; for a lambda, after its parameters.
#define RTDETR_ALWAYS_INLINE __attribute__((always_inline))
#define RTDETR_INLINE inline RTDETR_ALWAYS_INLINE

#if defined(__x86_64__) && defined(__GNUC__)
#define RTDETR_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define RTDETR_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#define RTDETR_TARGET_AVX512_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))
#else
#define RTDETR_TARGET_AVX2
#define RTDETR_TARGET_AVX512
#endif

/// Expands KERNELS(name, target) for each CpuLevel that is compiled for (kAmx has kAvx512's vectors); `target` stands
/// before a function.
#define RTDETR_FOR_EACH_CPU_LEVEL(KERNELS) \
  KERNELS(Baseline, )                      \
  KERNELS(Avx2, RTDETR_TARGET_AVX2)        \
  KERNELS(Avx512, RTDETR_TARGET_AVX512)

namespace rtdetr {

/// The one for the level in use.
template <typename Table>
const Table& at_cpu_level(const Table& baseline, const Table& avx2, const Table& avx512) {
  switch (cpu_level()) {
    case CpuLevel::kAmx:
    case CpuLevel::kAvx512:
      return avx512;
    case CpuLevel::kAvx2:
      return avx2;
    case CpuLevel::kBaseline:
      break;
  }
  return baseline;
}

}  // namespace rtdetr
