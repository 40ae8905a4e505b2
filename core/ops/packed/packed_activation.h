#pragma once

#include "core/base/vector_math.h"
#include "core/ops/packed/packed_map.h"

namespace rtdetr {

/// Within 6e-7 in float32; 1.5e-7 are the formula's own (Abramowitz and Stegun 7.1.26).
template <typename V>
RTDETR_INLINE V erf_of(V x) {
  const V size = x < 0.0f ? -x : x;
  const V t = 1.0f / (1.0f + 0.3275911f * size);
  V p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const V result = 1.0f - p * t * exp_of(-size * size);
  return x < 0.0f ? -result : result;
}

template <FusedActivation A, typename V>
RTDETR_INLINE V activated(V z) {
  if constexpr (A == FusedActivation::kRelu) return z < 0.0f ? V{} : z;  // not-a-number passes
  if constexpr (A == FusedActivation::kSilu) return z * sigmoid_of(z);
  if constexpr (A == FusedActivation::kGelu) return 0.5f * z * (1.0f + erf_of(z * 0.707106781f));
  if constexpr (A == FusedActivation::kLeakyRelu) return z < 0.0f ? 0.01f * z : z;
  if constexpr (A == FusedActivation::kHardswish) {
    V gate = z + 3.0f;
    gate = gate < 0.0f ? V{} : gate;
    gate = gate > 6.0f ? V{} + 6.0f : gate;
    return z * gate * (1.0f / 6.0f);
  }
  return z;
}

/// Within 2e-3 of exp_of(), relatively, which bf16 does not tell apart.
template <typename V>
RTDETR_INLINE V coarse_exp(V v) {
  using Ints = decltype(v == v);
  v = v < -87.0f ? V{} - 87.0f : v;
  v = v > 87.0f ? V{} + 87.0f : v;
  const V scaled = v * 1.44269504f, shifted = scaled + 12582912.0f, r = scaled - (shifted - 12582912.0f);
  const V p = ((r * 0.0555041f + 0.2402265f) * r + 0.6931472f) * r + 1.0f;
  return p * reinterpret_cast<V>((reinterpret_cast<Ints>(shifted) - 0x4b400000 + 127) << 23);
}

/// For a result of bf16.
template <FusedActivation A, typename V>
RTDETR_INLINE V coarsely_activated(V z) {
#if defined(__x86_64__)
  if constexpr (A == FusedActivation::kSilu && sizeof(V) == 64) {
    V inverse;
    asm("vrcp14ps %1, %0" : "=v"(inverse) : "v"(1.0f + coarse_exp(-z)));
    return z * inverse;
  }
#endif
  return activated<A>(z);
}

/// Calls body.template operator()<A>() for the activation.
template <typename Body>
RTDETR_INLINE void with_activation(FusedActivation activation, const Body& body) {
  switch (activation) {
    case FusedActivation::kNone:
      return body.template operator()<FusedActivation::kNone>();
    case FusedActivation::kRelu:
      return body.template operator()<FusedActivation::kRelu>();
    case FusedActivation::kSilu:
      return body.template operator()<FusedActivation::kSilu>();
    case FusedActivation::kGelu:
      return body.template operator()<FusedActivation::kGelu>();
    case FusedActivation::kLeakyRelu:
      return body.template operator()<FusedActivation::kLeakyRelu>();
    case FusedActivation::kHardswish:
      return body.template operator()<FusedActivation::kHardswish>();
  }
}

}  // namespace rtdetr
