#pragma once

#include <cstdint>
#include <cstring>

#include "core/base/simd.h"

/// Functions of the compiler's vectors of floats, for kernels written once and instantiated for several instruction
/// sets. V is any `float __attribute__((vector_size(…)))`.
namespace rtdetr {

template <typename V>
RTDETR_INLINE V load_vector(const float* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <typename V>
RTDETR_INLINE void store_vector(float* to, V v) {
  std::memcpy(to, &v, sizeof v);
}

/// Within 2 units in the last place for |v| <= 87 (Cephes' polynomial); held to that range. Of not-a-number that.
template <typename V>
RTDETR_INLINE V exp_of(V v) {
  using Ints = decltype(v == v);
  v = v < -87.0f ? V{} - 87.0f : v;
  v = v > 87.0f ? V{} + 87.0f : v;
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves the nearest integer in the low bits
  const V shifted = v * 1.44269504f + kRound;
  const Ints exponent = reinterpret_cast<Ints>(shifted) - 0x4b400000;
  const V n = shifted - kRound;
  const V r = v - n * 0.693359375f + n * 2.12194440e-4f;
  V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * reinterpret_cast<V>((exponent + 127) << 23);
}

template <typename V>
RTDETR_INLINE V sigmoid_of(V z) {
  return 1.0f / (1.0f + exp_of(-z));
}

}  // namespace rtdetr
