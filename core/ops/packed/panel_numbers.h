#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/base/simd.h"
#include "core/base/vector_math.h"
#include "core/ops/packed/packed_kernels.h"
#include "core/ops/packed/packed_shapes.h"

/// What the numbers in the panels of a product are, for the templates of packed_kernels.cpp and winograd_kernels.cpp.
/// The instructions for narrow ones are written as assembly: they have to be inlined into templates that know of no
/// instruction set, which intrinsics cannot.
namespace rtdetr {

/// Float32 as it is.
template <typename S>
struct FloatNumbers : S {
  static constexpr std::int64_t kPanelChunk = kChunk;
  using Vector = typename S::Vector;
  using Sum = Vector;
  using Number = float;
  static constexpr NumberFormat kFormat = NumberFormat::kFloat32;

  static RTDETR_INLINE Sum first(const float* bias) { return bias ? load_vector<Vector>(bias) : Vector{}; }
  static RTDETR_INLINE float spread(const float* word) { return *word; }
  static RTDETR_INLINE void add(Sum& sum, float row, Vector columns) { sum += columns * row; }
  static RTDETR_INLINE Vector result(Sum sum, const float* /*bias*/, const float* /*scale*/) { return sum; }
  static RTDETR_INLINE void put(float* to, Vector numbers) { store_vector(to, numbers); }
  static RTDETR_INLINE void copy_chunk(const float* from, float* to, const ByteScale& /*bytes*/) {
    constexpr int kVectors = static_cast<int>(kChunk) / S::kLanes;
    Vector numbers[kVectors];
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) numbers[n] = load_vector<Vector>(from + n * S::kLanes);
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) store_vector(to + n * S::kLanes, numbers[n]);
  }
  static RTDETR_INLINE void copy_some(const float* from, std::int64_t count, float* to, const ByteScale& /*bytes*/) {
    std::copy_n(from, count, to);
  }
};
using BaselineNumbers = FloatNumbers<BaselineShape>;
using Avx2Numbers = FloatNumbers<Avx2Shape>;
using Avx512Numbers = FloatNumbers<Avx512Shape>;

#if defined(__x86_64__)

/// One word of a row, in all lanes. Left to itself, the compiler loads many and permutes them.
RTDETR_INLINE Words spread_word(const float* word) {
  Words all;
  asm("vpbroadcastd %1, %0" : "=v"(all) : "m"(*word));
  return all;
}

/// Fewer than a chunk, by way of a whole one. @tparam From  what the map's numbers are
template <typename Numbers, typename From>
RTDETR_INLINE void copy_part_of_chunk(const From* from, std::int64_t count, typename Numbers::Number* to,
                                      const ByteScale& bytes) {
  From numbers[Numbers::kLanes] = {};
  typename Numbers::Number narrow[Numbers::kLanes];
  std::copy_n(from, count, numbers);
  Numbers::copy_chunk(numbers, narrow, bytes);
  std::copy_n(narrow, count, to);
}

/// AVX512_BF16: sums of pairs.
struct BFloat16Numbers : Avx512Shape {
  using Sum = Vector;
  using Number = std::uint16_t;
  static constexpr NumberFormat kFormat = NumberFormat::kBFloat16;
  static constexpr std::int64_t kPanelChunk = kChunk;

  static RTDETR_INLINE Sum first(const float* bias) { return bias ? load_vector<Vector>(bias) : Vector{}; }
  static RTDETR_INLINE Words spread(const float* word) { return spread_word(word); }
  static RTDETR_INLINE void add(Sum& sum, Words row, Vector columns) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(row), "v"(columns));
  }
  static RTDETR_INLINE Vector result(Sum sum, const float* /*bias*/, const float* /*scale*/) { return sum; }
  static RTDETR_INLINE void put(Number* to, Vector numbers) { store_numbers(to, numbers); }
  /// Words of two numbers each.
  static RTDETR_INLINE void put_pairs(float* to, Vector low, Vector high) {
    const Words pairs = __builtin_convertvector(bfloat16_halves(low), Words) |
                        __builtin_convertvector(bfloat16_halves(high), Words) << 16;
    std::memcpy(to, &pairs, sizeof pairs);
  }
  static RTDETR_INLINE void copy_chunk(const float* from, Number* to, const ByteScale& /*bytes*/) {
    put(to, load_vector<Vector>(from));
  }
  static RTDETR_INLINE void copy_chunk(const Number* from, Number* to, const ByteScale& /*bytes*/) {
    std::memcpy(to, from, kChunk * sizeof *to);
  }
  template <typename From>
  static RTDETR_INLINE void copy_some(const From* from, std::int64_t count, Number* to, const ByteScale& bytes) {
    copy_part_of_chunk<BFloat16Numbers>(from, count, to, bytes);
  }
};

/// AVX512_VNNI: sums of four.
struct Int8Numbers : Avx512Shape {
  using Sum = Words;
  using Number = std::uint8_t;
  static constexpr NumberFormat kFormat = NumberFormat::kInt8;
  static constexpr std::int64_t kPanelChunk = kChunk;

  static RTDETR_INLINE Sum first(const float* /*bias*/) { return Sum{}; }
  static RTDETR_INLINE Words spread(const float* word) { return spread_word(word); }
  static RTDETR_INLINE void add(Sum& sum, Words row, Vector columns) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(columns));
  }
  static RTDETR_INLINE Vector result(Sum sum, const float* bias, const float* scale) {
    return __builtin_convertvector(sum, Vector) * load_vector<Vector>(scale) + load_vector<Vector>(bias);
  }
  template <typename From>
  static RTDETR_INLINE void copy_chunk(const From* from, Number* to, const ByteScale& bytes) {
    using Bytes = std::uint8_t __attribute__((vector_size(16)));
    Vector v = load_numbers<Avx512Shape>(from) * (1 / bytes.step) + static_cast<float>(bytes.zero);
    v = v > 0.0f ? v : Vector{};  // not-a-number is not
    Words whole;
    Bytes narrow;  // what is above 255 becomes that; what is above all integers is a negative one here, taken as large
    asm("vcvtps2dq %1, %0" : "=v"(whole) : "v"(v));
    asm("vpmovusdb %1, %0" : "=v"(narrow) : "v"(whole));
    std::memcpy(to, &narrow, sizeof narrow);
  }
  template <typename From>
  static RTDETR_INLINE void copy_some(const From* from, std::int64_t count, Number* to, const ByteScale& bytes) {
    copy_part_of_chunk<Int8Numbers>(from, count, to, bytes);
  }
};

/// AMX: rows of 64 bytes.
struct BFloat16TileNumbers : BFloat16Numbers {
  static constexpr std::int64_t kPanelChunk = 32;
};
struct Int8TileNumbers : Int8Numbers {
  static constexpr std::int64_t kPanelChunk = 64;
};

#endif

}  // namespace rtdetr
