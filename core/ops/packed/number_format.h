#pragma once

#include <cstdint>

#include "core/base/cpu_level.h"

namespace rtdetr {

/// What the numbers of a packed product are while they are multiplied. Bias and sums are float32 always but for the
/// sums of bytes, 32-bit integers, which are exact; maps are float32 or bf16 (packed_map.h).
enum class NumberFormat {
  kFloat32,
  kBFloat16,  ///< 8 bits of precision, float32's range; two in a word
  kInt8,      ///< inputs are bytes from 0 to 255 (ByteScale), weights from -127 to 127 by a scale of each output; four
};

constexpr std::int64_t numbers_in_word(NumberFormat format) {
  return format == NumberFormat::kFloat32 ? 1 : format == NumberFormat::kBFloat16 ? 2 : 4;
}

/// Whether the processor, at the level in use, has an instruction for the format's products.
inline bool can_multiply(NumberFormat format) {
  if (format == NumberFormat::kBFloat16) return has_bfloat16_products();
  return format == NumberFormat::kFloat32 || has_byte_products();
}

/// How a number x becomes a byte: the one nearest to zero + x / step. What lies outside becomes 0 or 255, what is not a
/// number 0.
struct ByteScale {
  float step = 1;
  std::int32_t zero = 0;  ///< the byte that stands for 0, so that the padding is exact
};

/// Bytes for numbers from `low` to `high`, and for 0.
ByteScale byte_scale(float low, float high);

/// The nearest one, ties to even; as the instruction for vectors has it, tiny numbers of no full precision become zero.
std::uint16_t bfloat16_of(float value);
/// bf16 as floats.
void bfloat16_to_floats(const std::uint16_t* from, std::int64_t count, float* to);

}  // namespace rtdetr
