#include "core/io/chw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/io/error.h"
#include "core/io/simd.h"

// Pillow resizes in two 8-bit passes, columns first, with weights of 22 bits (spec/official §6.3). Cutting, mirroring
// and padding only change which source pixel a weight belongs to, so they are folded into the tables of weights:
// a mirrored axis reads its taps backwards, and taps that fall outside the picture are dropped, for black adds nothing.
// The rows of the first pass live in a small ring; the second pass turns them into floats straight away.

namespace rtdetr {
namespace {

constexpr int kWeightBits = 22;
constexpr int kHalf = 1 << (kWeightBits - 1);
constexpr int kLowBits = 11;  // a weight = high · 2^11 + low: both halves fit the 16-bit multiply-add

/// Correctly rounded value / 255.0f from two products and a sum, which vectorise better than a division: the upper
/// part of 1/255 has few enough bits for an exact product.
constexpr float kInverseHigh = 0.0039215087890625f;  // 257 · 2^-16
constexpr float kInverseLow = static_cast<float>(1.0 / 255.0 - 0.0039215087890625);
constexpr float unit_value(int value) {
  return static_cast<float>(value) * kInverseHigh + static_cast<float>(value) * kInverseLow;
}
constexpr bool unit_value_is_exact() {
  for (int value = 0; value < 256; ++value) {
    if (unit_value(value) != static_cast<float>(value) / 255.0f) return false;
  }
  return true;
}
static_assert(unit_value_is_exact());

/// One axis of the resize: output i is the weighted sum of `count[i]` source pixels from `first[i]` on.
struct Axis {
  int stride = 0;  ///< weights per output
  std::vector<int> first, count;
  std::vector<std::int32_t> weight;
  int begin = 0, end = 0;  ///< outputs outside [begin, end) see no source pixel
};

/// Pillow's taps for output `i` of `size` pixels shrunk or stretched to `outputs`.
struct Taps {
  int first = 0;
  std::vector<std::int32_t> weights;
};
void pillow_taps(int i, int size, int outputs, Taps& taps) {
  const double scale = static_cast<double>(size) / outputs;
  const double support = std::max(scale, 1.0);
  const double inverse = 1.0 / support;
  const double center = (i + 0.5) * scale;
  const int first = std::max(static_cast<int>(center - support + 0.5), 0);
  const int end = std::min(static_cast<int>(center + support + 0.5), size);
  static thread_local std::vector<double> share;
  share.clear();
  double sum = 0;
  for (int j = first; j < end; ++j) {
    share.push_back(std::max(0.0, 1.0 - std::abs((j - center + 0.5) * inverse)));
    sum += share.back();
  }
  taps.first = first;
  taps.weights.clear();
  for (double value : share) taps.weights.push_back(static_cast<std::int32_t>(value / sum * (1 << kWeightBits) + 0.5));
}

/// @param start, size  the window along this axis
/// @param source       size of the picture along this axis
Axis make_axis(int start, int size, int source, int outputs, bool flip) {
  Axis axis;
  const int most = 2 * static_cast<int>(std::ceil(std::max(static_cast<double>(size) / outputs, 1.0))) + 1;
  axis.stride = most + most % 2;  // even: the column pass takes pairs
  axis.first.assign(outputs, 0);
  axis.count.assign(outputs, 0);
  axis.weight.assign(static_cast<std::size_t>(outputs) * axis.stride, 0);
  axis.begin = outputs;
  Taps taps;
  for (int i = 0; i < outputs; ++i) {
    pillow_taps(i, size, outputs, taps);
    auto& weights = taps.weights;
    int first = start + taps.first;
    // Tap j of the mirrored window is pixel size - 1 - j of the window itself.
    if (flip) std::reverse(weights.begin(), weights.end());
    if (flip) first = start + size - taps.first - static_cast<int>(weights.size());
    int from = std::max(0, -first);
    int to = std::min(static_cast<int>(weights.size()), source - first);
    while (from < to && weights[from] == 0) ++from;
    while (from < to && weights[to - 1] == 0) --to;
    if (from >= to) continue;
    axis.first[i] = first + from;
    axis.count[i] = to - from;
    std::copy(weights.begin() + from, weights.begin() + to,
              axis.weight.begin() + static_cast<std::ptrdiff_t>(i) * axis.stride);
    axis.begin = std::min(axis.begin, i);
    axis.end = i + 1;
  }
  axis.begin = std::min(axis.begin, axis.end);
  return axis;
}

/// The column pass over one row: `axis` applied to bytes of RGB, giving RGB and a fourth byte without meaning.
/// @param row   the picture's row, readable 8 bytes beyond its end
/// @param rgbx  4·outputs bytes; written in [axis.begin, axis.end)
#if defined(__SSE2__)
void resize_columns(const std::uint8_t* row, const Axis& axis, const std::vector<std::int32_t>& split_weight,
                    std::uint8_t* rgbx) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i half = _mm_set1_epi32(kHalf);
  for (int i = axis.begin; i < axis.end; ++i) {
    const std::uint8_t* pixel = row + 3 * axis.first[i];
    const std::int32_t* weight = split_weight.data() + static_cast<std::ptrdiff_t>(i) * axis.stride;
    __m128i low = half, high = zero;
    for (int j = 0; j < axis.count[i]; j += 2, pixel += 6, weight += 2) {
      const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pixel));
      const __m128i pairs = _mm_unpacklo_epi8(_mm_unpacklo_epi8(two, _mm_srli_si128(two, 3)), zero);  // r r g g b b x x
      low = _mm_add_epi32(low, _mm_madd_epi16(pairs, _mm_set1_epi32(weight[0])));
      high = _mm_add_epi32(high, _mm_madd_epi16(pairs, _mm_set1_epi32(weight[1])));
    }
    const __m128i sum = _mm_srli_epi32(_mm_add_epi32(low, _mm_slli_epi32(high, kLowBits)), kWeightBits);
    const int packed = _mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(sum, zero), zero));
    std::memcpy(rgbx + 4 * i, &packed, 4);
  }
}

/// Pairs of weights as the multiply-add takes them: (low of both, high of both) per pair.
std::vector<std::int32_t> split_weights(const Axis& axis) {
  std::vector<std::int32_t> split(axis.weight.size());
  constexpr int kLowMask = (1 << kLowBits) - 1;
  for (std::size_t i = 0; i < split.size(); i += 2) {
    const int a = axis.weight[i], b = axis.weight[i + 1];
    split[i] = (a & kLowMask) | ((b & kLowMask) << 16);
    split[i + 1] = (a >> kLowBits) | ((b >> kLowBits) << 16);
  }
  return split;
}
#else
void resize_columns(const std::uint8_t* row, const Axis& axis, const std::vector<std::int32_t>& weights,
                    std::uint8_t* rgbx) {
  for (int i = axis.begin; i < axis.end; ++i) {
    for (int c = 0; c < 3; ++c) {
      std::int32_t sum = kHalf;
      for (int j = 0; j < axis.count[i]; ++j) {
        sum += weights[static_cast<std::size_t>(i) * axis.stride + j] * row[3 * (axis.first[i] + j) + c];
      }
      rgbx[4 * i + c] = static_cast<std::uint8_t>(sum >> kWeightBits);
    }
  }
}
std::vector<std::int32_t> split_weights(const Axis& axis) { return axis.weight; }
#endif

/// [width][4] → three planes of width bytes.
RTDETR_SIMD void split_planes(const std::uint8_t* rgbx, int begin, int end, std::uint8_t* r, std::uint8_t* g,
                              std::uint8_t* b) {
  for (int i = begin; i < end; ++i) {
    r[i] = rgbx[4 * i];
    g[i] = rgbx[4 * i + 1];
    b[i] = rgbx[4 * i + 2];
  }
}

/// The row pass for one plane of one output row: the weighted sum of `count` byte rows, as floats in [0, 1].
RTDETR_SIMD void resize_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                             float* out) {
  if (count == 1) {
    for (int i = begin; i < end; ++i) out[i] = unit_value((kHalf + weight[0] * rows[0][i]) >> kWeightBits);
  } else if (count == 2) {
    const std::uint8_t *upper = rows[0], *lower = rows[1];
    const std::int32_t w0 = weight[0], w1 = weight[1];
    for (int i = begin; i < end; ++i) out[i] = unit_value((kHalf + w0 * upper[i] + w1 * lower[i]) >> kWeightBits);
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
      for (int i = 0; i < size; ++i) out[start + i] = unit_value(sum[i] >> kWeightBits);
    }
  }
}

/// Rows of the column pass, computed as the row pass asks for them and kept while it may ask again.
class ColumnPass {
 public:
  ColumnPass(const Picture& picture, const Axis& axis, int outputs, int rows_kept)
      : picture_(picture),
        axis_(axis),
        split_weight_(split_weights(axis)),
        outputs_(outputs),
        kept_(rows_kept),
        planes_(static_cast<std::size_t>(rows_kept) * 3 * outputs),
        padded_(static_cast<std::size_t>(picture.width) * 3 + 16),
        rgbx_(static_cast<std::size_t>(outputs) * 4) {}

  /// Plane `channel` of row `y`; valid until `kept` rows later. Rows must be asked for in growing order.
  const std::uint8_t* plane(int y, int channel) {
    if (y >= next_) next_ = compute(y);
    return slot(y) + static_cast<std::size_t>(channel) * outputs_;
  }

 private:
  std::uint8_t* slot(int y) { return planes_.data() + static_cast<std::size_t>(y % kept_) * 3 * outputs_; }

  int compute(int y) {
    std::memcpy(padded_.data(), picture_.row(y), static_cast<std::size_t>(picture_.width) * 3);
    resize_columns(padded_.data(), axis_, split_weight_, rgbx_.data());
    std::uint8_t* planes = slot(y);
    split_planes(rgbx_.data(), axis_.begin, axis_.end, planes, planes + outputs_, planes + 2 * outputs_);
    return y + 1;
  }

  const Picture& picture_;
  const Axis& axis_;
  std::vector<std::int32_t> split_weight_;
  int outputs_, kept_, next_ = 0;
  std::vector<std::uint8_t> planes_;  ///< [kept][3][outputs]
  std::vector<std::uint8_t> padded_;  ///< a row with room for reading beyond its end
  std::vector<std::uint8_t> rgbx_;
};

void resize_pillow(const Picture& picture, const PictureWindow& window, int width, int height, float* out) {
  const Axis columns = make_axis(window.x, window.width, picture.width, width, window.flip_x);
  const Axis rows = make_axis(window.y, window.height, picture.height, height, window.flip_y);
  const std::size_t plane_size = static_cast<std::size_t>(width) * height;
  ColumnPass pass(picture, columns, width, rows.stride);
  std::vector<const std::uint8_t*> taps(rows.stride);
  for (int i = 0; i < height; ++i) {
    const int y = window.flip_y ? height - 1 - i : i;  // from top to bottom of the picture
    float* row = out + static_cast<std::size_t>(y) * width;
    const bool black = rows.count[y] == 0;
    for (int j = 0; j < rows.count[y]; ++j) pass.plane(rows.first[y] + j, 0);
    for (int c = 0; c < 3; ++c) {
      float* target = row + c * plane_size;
      for (int j = 0; j < rows.count[y]; ++j) taps[j] = pass.plane(rows.first[y] + j, c);
      std::fill(target, target + (black ? width : columns.begin), 0.0f);
      if (black) continue;
      resize_rows(taps.data(), rows.weight.data() + static_cast<std::ptrdiff_t>(y) * rows.stride, rows.count[y],
                  columns.begin, columns.end, target);
      std::fill(target + columns.end, target + width, 0.0f);
    }
  }
}

void check_sizes(const PictureWindow& window, int width, int height) {
  if (window.width > 0 && window.height > 0 && width > 0 && height > 0) return;
  throw ConfigError("resize: want positive sides, have a window of " + std::to_string(window.width) + "x" +
                    std::to_string(window.height) + " for " + std::to_string(width) + "x" + std::to_string(height));
}

}  // namespace

RTDETR_SIMD void to_chw_float(const Picture& picture, float* out) {
  const std::size_t plane = static_cast<std::size_t>(picture.width) * picture.height;
  const std::uint8_t* rgb = picture.rgb.data();
  for (std::size_t i = 0; i < plane; ++i) {
    out[i] = unit_value(rgb[3 * i]);
    out[plane + i] = unit_value(rgb[3 * i + 1]);
    out[2 * plane + i] = unit_value(rgb[3 * i + 2]);
  }
}

void resize_to_chw_float(const Picture& picture, const PictureWindow& window, int width, int height, Resampling method,
                         float* out) {
  check_sizes(window, width, height);
  const bool height_first = pillow_resizes_height_first(window.width, window.height, width, height);
  if (method == Resampling::kPillowBilinear && !height_first) {
    resize_pillow(picture, window, width, height, out);
  } else {
    to_chw_float(resize(cut(picture, window), width, height, method), out);
  }
}

Picture cut(const Picture& picture, const PictureWindow& window) {
  check_sizes(window, 1, 1);
  Picture result(window.width, window.height);
  const int begin = std::max(window.x, 0), end = std::min(window.x + window.width, picture.width);
  for (int i = 0; i < window.height; ++i) {
    const int y = window.y + i;
    if (y < 0 || y >= picture.height || begin >= end) continue;
    std::uint8_t* row = result.row(window.flip_y ? window.height - 1 - i : i);
    const std::uint8_t* source = picture.row(y);
    if (!window.flip_x) {
      std::memcpy(row + 3 * (begin - window.x), source + 3 * begin, static_cast<std::size_t>(end - begin) * 3);
      continue;
    }
    for (int x = begin; x < end; ++x) std::memcpy(row + 3 * (window.width - 1 - (x - window.x)), source + 3 * x, 3);
  }
  return result;
}

}  // namespace rtdetr
