#include "core/image/resize_passes.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/base/simd.h"

namespace rtdetr {
namespace {

constexpr int kWeightBits = kResizeWeightBits;
constexpr int kHalf = 1 << (kWeightBits - 1);
constexpr int kLowBits = kResizeLowBits;

inline void put(std::uint8_t& out, std::int32_t sum) { out = static_cast<std::uint8_t>(sum >> kWeightBits); }
inline void put(float& out, std::int32_t sum) { out = unit_value(sum >> kWeightBits); }

template <class T>
RTDETR_INLINE void sum_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                            T* out) {
  if (count == 1) {
    for (int i = begin; i < end; ++i) put(out[i], kHalf + weight[0] * rows[0][i]);
  } else if (count == 2) {
    const std::uint8_t *upper = rows[0], *lower = rows[1];
    const std::int32_t w0 = weight[0], w1 = weight[1];
    for (int i = begin; i < end; ++i) put(out[i], kHalf + w0 * upper[i] + w1 * lower[i]);
  } else {
    constexpr int kBlock = 256;
    std::int32_t sum[kBlock];
    for (int start = begin; start < end; start += kBlock) {
      const int size = std::min(kBlock, end - start);
      std::fill_n(sum, size, kHalf);
      for (int j = 0; j < count; ++j) {
        const std::uint8_t* row = rows[j] + start;
        for (int i = 0; i < size; ++i) sum[i] += weight[j] * row[i];
      }
      for (int i = 0; i < size; ++i) put(out[start + i], sum[i]);
    }
  }
}

}  // namespace

#if defined(__SSE2__)
namespace {

/// Four outputs at a time where every output is made from two pixels (stretching), with the integers of the plain loop.
/// @return  the first output that is left
RTDETR_TARGET_AVX2 int stretch_with_avx2(const std::uint8_t* row, const int* first, const std::int32_t* split,
                                         int begin, int end, std::uint8_t* rgbx) {
  const __m256i half = _mm256_set1_epi32(kHalf);
  const __m256i spread = _mm256_broadcastsi128_si256(  // r g b r g b → r r g g b b, 16 bits each
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i low_of = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2), high_of = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
  const auto pixels = [&](int i) RTDETR_TARGET_AVX2 {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + 3 * first[i]));
  };
  const auto two_sums = [&](int i) RTDETR_TARGET_AVX2 {
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(pixels(i)), pixels(i + 1), 1);
    const __m256i pairs = _mm256_shuffle_epi8(both, spread);
    const __m256i weights =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(split + 2 * i)));
    const __m256i low = _mm256_madd_epi16(pairs, _mm256_permutevar8x32_epi32(weights, low_of));
    const __m256i high = _mm256_madd_epi16(pairs, _mm256_permutevar8x32_epi32(weights, high_of));
    const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(half, low), _mm256_slli_epi32(high, kLowBits));
    return _mm256_srli_epi32(sum, kWeightBits);
  };
  int i = begin;
  for (; i + 4 <= end; i += 4) {
    const __m256i words = _mm256_packs_epi32(two_sums(i), two_sums(i + 2));  // outputs i, i + 2 | i + 1, i + 3
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const __m128i in_order = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgbx + 4 * i), in_order);
  }
  return i;
}

}  // namespace

/// Pairs of weights as the multiply-add takes them: (low halves of both, high halves of both) per pair.
std::vector<std::int32_t> ColumnPass::split_weights(const ResizeAxis& axis) {
  std::vector<std::int32_t> split(axis.weight.size());
  constexpr int kLowMask = (1 << kLowBits) - 1;
  for (std::size_t i = 0; i < split.size(); i += 2) {
    const int a = axis.weight[i], b = axis.weight[i + 1];
    split[i] = (a & kLowMask) | ((b & kLowMask) << 16);
    split[i + 1] = (a >> kLowBits) | ((b >> kLowBits) << 16);
  }
  return split;
}

void ColumnPass::run(const std::uint8_t* row, std::uint8_t* rgbx) const {
  const int begin = axis_.begin, end = axis_.end, stride = axis_.stride;
  const int *first = axis_.first.data(), *count = axis_.count.data();
  const std::int32_t* weight = split_.data();
  const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(kHalf);
  const auto add_pair = [&](const std::uint8_t* pixel, const std::int32_t* split, __m128i& low, __m128i& high) {
    const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel));
    const __m128i pairs = _mm_unpacklo_epi8(_mm_unpacklo_epi8(two, _mm_srli_si128(two, 3)), zero);  // r r g g b b x x
    low = _mm_add_epi32(low, _mm_madd_epi16(pairs, _mm_set1_epi32(split[0])));
    high = _mm_add_epi32(high, _mm_madd_epi16(pairs, _mm_set1_epi32(split[1])));
  };
  const auto finish = [&](int i, __m128i low, __m128i high) {
    const __m128i sum = _mm_srli_epi32(_mm_add_epi32(low, _mm_slli_epi32(high, kLowBits)), kWeightBits);
    const int packed = _mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(sum, zero), zero));
    std::memcpy(rgbx + 4 * i, &packed, 4);
  };
  if (stride == 2) {  // stretching: no loop inside the loop
    const bool has_avx2 = cpu_level() >= CpuLevel::kAvx2;
    for (int i = has_avx2 ? stretch_with_avx2(row, first, weight, begin, end, rgbx) : begin; i < end; ++i) {
      __m128i low = half, high = zero;
      add_pair(row + 3 * first[i], weight + 2 * i, low, high);
      finish(i, low, high);
    }
    return;
  }
  for (int i = begin; i < end; ++i) {
    __m128i low = half, high = zero;
    const std::uint8_t* pixel = row + 3 * first[i];
    const std::int32_t* split = weight + static_cast<std::ptrdiff_t>(i) * stride;
    for (int j = 0; j < count[i]; j += 2) add_pair(pixel + 3 * j, split + j, low, high);
    finish(i, low, high);
  }
}
#else
std::vector<std::int32_t> ColumnPass::split_weights(const ResizeAxis&) { return {}; }

void ColumnPass::run(const std::uint8_t* row, std::uint8_t* rgbx) const {
  for (int i = axis_.begin; i < axis_.end; ++i) {
    for (int c = 0; c < 3; ++c) {
      std::int32_t sum = kHalf;
      for (int j = 0; j < axis_.count[i]; ++j) sum += axis_.weights_of(i)[j] * row[3 * (axis_.first[i] + j) + c];
      rgbx[4 * i + c] = static_cast<std::uint8_t>(sum >> kWeightBits);
    }
  }
}
#endif

RTDETR_SIMD void split_planes(const std::uint8_t* rgbx, int begin, int end, std::uint8_t* r, std::uint8_t* g,
                              std::uint8_t* b) {
  for (int i = begin; i < end; ++i) {
    r[i] = rgbx[4 * i];
    g[i] = rgbx[4 * i + 1];
    b[i] = rgbx[4 * i + 2];
  }
}
RTDETR_SIMD void split_planes(const std::uint8_t* rgbx, int begin, int end, float* r, float* g, float* b) {
  for (int i = begin; i < end; ++i) {
    r[i] = unit_value(rgbx[4 * i]);
    g[i] = unit_value(rgbx[4 * i + 1]);
    b[i] = unit_value(rgbx[4 * i + 2]);
  }
}

namespace {

RTDETR_SIMD void sum_rows_anywhere(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin,
                                   int end, float* out) {
  sum_rows(rows, weight, count, begin, end, out);
}
RTDETR_SIMD void sum_rows_anywhere(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin,
                                   int end, std::uint8_t* out) {
  sum_rows(rows, weight, count, begin, end, out);
}

template <class T>
void sum_rows_here(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end, T* out) {
  if (avx512::is_available()) {
    avx512::sum_rows(rows, weight, count, begin, end, out);
  } else {
    sum_rows_anywhere(rows, weight, count, begin, end, out);
  }
}

}  // namespace

void resize_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                 float* out) {
  sum_rows_here(rows, weight, count, begin, end, out);
}
void resize_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                 std::uint8_t* out) {
  sum_rows_here(rows, weight, count, begin, end, out);
}

void ColumnPass::run(const std::uint8_t* row, std::uint8_t* rgbx, std::uint8_t* r, std::uint8_t* g,
                     std::uint8_t* b) const {
  if (stretch_.fits()) {
    stretch_.run(row, r, g, b);
  } else {
    run(row, rgbx);
    split_planes(rgbx, axis_.begin, axis_.end, r, g, b);
  }
}

}  // namespace rtdetr
