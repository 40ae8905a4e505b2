#pragma once

/// RTDETR_SIMD before a function lets the compiler build it twice, for AVX2 and for the plain processor, and choose
/// when the program starts. AVX2 without fused multiply-add: both versions round alike, so results do not depend on
/// the machine. Off under sanitizers, whose start-up comes after that choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define RTDETR_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define RTDETR_SIMD
#endif
