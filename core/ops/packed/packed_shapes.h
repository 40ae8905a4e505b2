#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/base/simd.h"
#include "core/base/vector_math.h"
#include "core/ops/packed/number_format.h"

/// Vectors of the CPU levels, and rows of the largest tile of a product that fits their registers. What they load and
/// store are floats, or, of sixteen lanes, bf16 as std::uint16_t.
namespace rtdetr {

struct BaselineShape {
  static constexpr int kLanes = 4, kRows = 6;
  using Vector = float __attribute__((vector_size(16)));
};
struct Avx2Shape {
  static constexpr int kLanes = 8, kRows = 6;
  using Vector = float __attribute__((vector_size(32)));
};
struct Avx512Shape {
  static constexpr int kLanes = 16, kRows = 14;
  using Vector = float __attribute__((vector_size(64)));
};

using Words = std::int32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(32)));

template <typename S>
RTDETR_INLINE typename S::Vector load_numbers(const float* from) {
  return load_vector<typename S::Vector>(from);
}
template <typename S>
RTDETR_INLINE typename S::Vector load_numbers(const std::uint16_t* from) {
  Halves narrow;
  std::memcpy(&narrow, from, sizeof narrow);
  return reinterpret_cast<typename S::Vector>(__builtin_convertvector(narrow, Words) << 16);
}

#if defined(__x86_64__)
/// AVX512_BF16, as assembly: it is inlined into templates that know of no instruction set, which intrinsics cannot be.
RTDETR_INLINE Halves bfloat16_halves(Avx512Shape::Vector numbers) {
  Halves narrow;
  asm("vcvtneps2bf16 %1, %0" : "=v"(narrow) : "v"(numbers));
  return narrow;
}
RTDETR_INLINE void store_numbers(std::uint16_t* to, Avx512Shape::Vector numbers) {
  const Halves narrow = bfloat16_halves(numbers);
  std::memcpy(to, &narrow, sizeof narrow);
}
/// Two vectors, one behind the other.
RTDETR_INLINE void store_numbers(std::uint16_t* to, Avx512Shape::Vector first, Avx512Shape::Vector second) {
  Words narrow;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(narrow) : "v"(first), "v"(second));
  std::memcpy(to, &narrow, sizeof narrow);
}
#endif
template <typename Vector>
RTDETR_INLINE void store_numbers(float* to, Vector numbers) {
  store_vector(to, numbers);
}
template <typename Vector>
RTDETR_INLINE void store_numbers(float* to, Vector first, Vector second) {
  store_vector(to, first);
  store_vector(to + sizeof first / sizeof *to, second);
}

/// The first `count` of the lanes; the others are zero.
template <typename S, typename Number>
RTDETR_INLINE typename S::Vector load_some(const Number* from, std::int64_t count) {
  if (count >= S::kLanes) return load_numbers<S>(from);
  Number lanes[S::kLanes] = {};
  std::copy_n(from, count, lanes);
  return load_numbers<S>(lanes);
}

template <typename S, typename Number>
RTDETR_INLINE void store_some(Number* to, typename S::Vector v, std::int64_t count) {
  if (count >= S::kLanes) return store_numbers(to, v);
  Number lanes[S::kLanes];
  store_numbers(lanes, v);
  std::copy_n(lanes, count, to);
}

/// Calls body.template operator()<Number>() with the type of a map's numbers.
template <typename S, typename Body>
RTDETR_INLINE void with_numbers(NumberFormat map, const Body& body) {
#if defined(__x86_64__)
  if constexpr (S::kLanes == Avx512Shape::kLanes) {
    if (map == NumberFormat::kBFloat16) return body.template operator()<std::uint16_t>();
  }
#endif
  body.template operator()<float>();
}

}  // namespace rtdetr
