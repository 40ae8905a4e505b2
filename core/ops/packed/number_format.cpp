#include "core/ops/packed/number_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/base/simd.h"

namespace rtdetr {

ByteScale byte_scale(float low, float high) {
  constexpr float kLargest = 255;
  low = std::min(low, 0.0F);
  high = std::max(high, 0.0F);
  const float step = high / kLargest - low / kLargest;
  if (!(step > 0) || !std::isfinite(step)) return {};
  return {step, static_cast<std::int32_t>(std::lround(-low / step))};
}

std::uint16_t bfloat16_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  constexpr std::uint32_t kExponent = 0x7f800000, kQuiet = 0x400000;
  if ((bits & kExponent) == 0) return static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits | kQuiet) >> 16);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

RTDETR_SIMD void bfloat16_to_floats(const std::uint16_t* from, std::int64_t count, float* to) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(std::uint32_t{from[i]} << 16);
}

}  // namespace rtdetr
