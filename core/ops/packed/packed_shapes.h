#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/simd.h"
#include "core/base/vector_math.h"

/// Vectors of the CPU levels, and rows of the largest tile of a product that fits their registers.
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

/// The first `count` of the lanes; the others are zero.
template <typename S>
RTDETR_INLINE typename S::Vector load_some(const float* from, std::int64_t count) {
  if (count >= S::kLanes) return load_vector<typename S::Vector>(from);
  float lanes[S::kLanes] = {};
  std::copy_n(from, count, lanes);
  return load_vector<typename S::Vector>(lanes);
}

template <typename S>
RTDETR_INLINE void store_some(float* to, typename S::Vector v, std::int64_t count) {
  if (count >= S::kLanes) return store_vector(to, v);
  float lanes[S::kLanes];
  store_vector(lanes, v);
  std::copy_n(lanes, count, to);
}

}  // namespace rtdetr
