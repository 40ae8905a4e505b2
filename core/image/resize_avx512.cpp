#include "core/image/resize_avx512.h"

#include <algorithm>

#include "core/base/simd.h"
#include "core/image/resize_passes.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define RTDETR_HAS_AVX512 1
#include <immintrin.h>
#endif

namespace rtdetr::avx512 {

#ifdef RTDETR_HAS_AVX512

bool is_available() {
  static const bool permutes_bytes = __builtin_cpu_supports("avx512vbmi");
  return permutes_bytes && cpu_level() >= CpuLevel::kAvx512;
}

Stretch::Stretch(const ResizeAxis& axis, const std::vector<std::int32_t>& split) : begin_(axis.begin) {
  if (!is_available() || axis.stride != 2) return;
  for (int start = axis.begin; start < axis.end; start += kOutputs) {
    const int size = std::min(kOutputs, axis.end - start);
    const auto from = axis.first.begin() + start;
    Group group;
    group.first = 3 * *std::min_element(from, from + size);
    int last = 0;  // byte behind the last one needed
    for (int i = 0; i < size; ++i) {
      const int left = 3 * axis.first[start + i] - group.first;
      const int right = axis.count[start + i] > 1 ? left + 3 : left;  // its weight is zero if there is no second one
      last = std::max(last, right + 3);
      if (last > 64) {
        groups_.clear();
        return;
      }
      group.source[4 * i] = static_cast<std::uint8_t>(left);
      group.source[4 * i + 2] = static_cast<std::uint8_t>(right);
      group.low[i] = split[2 * static_cast<std::size_t>(start + i)];
      group.high[i] = split[2 * static_cast<std::size_t>(start + i) + 1];
    }
    group.bytes = ~std::uint64_t{0} >> (64 - last);
    group.outputs = static_cast<std::uint16_t>((1u << size) - 1);
    groups_.push_back(group);
  }
}

RTDETR_TARGET_AVX512_VBMI void Stretch::run(const std::uint8_t* row, std::uint8_t* r, std::uint8_t* g,
                                            std::uint8_t* b) const {
  constexpr __mmask64 kLowBytes = 0x5555555555555555;  // of 16-bit numbers
  const __m512i half = _mm512_set1_epi32(1 << (kResizeWeightBits - 1)), one = _mm512_set1_epi8(1);
  constexpr int kPrefetch = 2048;  // bytes: reaches into the next rows, which come next
  int at = begin_;
  for (const Group& group : groups_) {
    const __m512i bytes = _mm512_maskz_loadu_epi8(group.bytes, row + group.first);
    _mm_prefetch(row + group.first + kPrefetch, _MM_HINT_T0);
    const __m512i low = _mm512_load_si512(group.low), high = _mm512_load_si512(group.high);
    __m512i source = _mm512_load_si512(group.source);
    for (std::uint8_t* plane : {r, g, b}) {
      const __m512i pairs = _mm512_maskz_permutexvar_epi8(kLowBytes, source, bytes);
      const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(half, _mm512_madd_epi16(pairs, low)),
                                           _mm512_slli_epi32(_mm512_madd_epi16(pairs, high), kResizeLowBits));
      _mm512_mask_cvtepi32_storeu_epi8(plane + at, group.outputs, _mm512_srli_epi32(sum, kResizeWeightBits));
      source = _mm512_add_epi8(source, one);
    }
    at += kOutputs;
  }
}

namespace {

/// The weighted sums of sixteen columns from `at` on, as bytes in 32-bit numbers.
RTDETR_TARGET_AVX512_VBMI inline __m512i sum_columns(const std::uint8_t* const* rows, const std::int32_t* weight,
                                                     int count, int at, __mmask16 mask) {
  __m512i sum = _mm512_set1_epi32(1 << (kResizeWeightBits - 1));
  for (int j = 0; j < count; ++j) {
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, rows[j] + at));
    sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(bytes, _mm512_set1_epi32(weight[j])));
  }
  return _mm512_srli_epi32(sum, kResizeWeightBits);
}

RTDETR_TARGET_AVX512_VBMI inline void put(float* out, __mmask16 mask, __m512i bytes) {
  const __m512 value = _mm512_cvtepi32_ps(bytes);
  // As unit_value(): the first product is exact, so that fusing it with the sum changes nothing.
  const __m512 low = _mm512_mul_ps(value, _mm512_set1_ps(kInverseLow));
  _mm512_mask_storeu_ps(out, mask, _mm512_fmadd_ps(value, _mm512_set1_ps(kInverseHigh), low));
}

RTDETR_TARGET_AVX512_VBMI inline void put(std::uint8_t* out, __mmask16 mask, __m512i bytes) {
  _mm512_mask_cvtepi32_storeu_epi8(out, mask, bytes);
}

template <class T>
RTDETR_TARGET_AVX512_VBMI inline void sum_all(const std::uint8_t* const* rows, const std::int32_t* weight, int count,
                                              int begin, int end, T* out) {
  int at = begin;
  for (; at + 16 <= end; at += 16) put(out + at, 0xFFFF, sum_columns(rows, weight, count, at, 0xFFFF));
  const auto rest = static_cast<__mmask16>((1u << (end - at)) - 1);
  if (rest != 0) put(out + at, rest, sum_columns(rows, weight, count, at, rest));
}

/// Copies with a fixed count let the compiler keep rows and weights in registers.
template <class T>
RTDETR_TARGET_AVX512_VBMI void sum_by_count(const std::uint8_t* const* rows, const std::int32_t* weight, int count,
                                            int begin, int end, T* out) {
  if (count == 1) {
    sum_all(rows, weight, 1, begin, end, out);
  } else if (count == 2) {
    sum_all(rows, weight, 2, begin, end, out);
  } else {
    sum_all(rows, weight, count, begin, end, out);
  }
}

}  // namespace

void sum_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end, float* out) {
  sum_by_count(rows, weight, count, begin, end, out);
}
void sum_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
              std::uint8_t* out) {
  sum_by_count(rows, weight, count, begin, end, out);
}

#else

bool is_available() { return false; }
Stretch::Stretch(const ResizeAxis& axis, const std::vector<std::int32_t>&) : begin_(axis.begin) {}
void Stretch::run(const std::uint8_t*, std::uint8_t*, std::uint8_t*, std::uint8_t*) const {}
void sum_rows(const std::uint8_t* const*, const std::int32_t*, int, int, int, float*) {}
void sum_rows(const std::uint8_t* const*, const std::int32_t*, int, int, int, std::uint8_t*) {}

#endif

}  // namespace rtdetr::avx512
