#pragma once

#include <cstdint>
#include <vector>

#include "core/image/resize_avx512.h"
#include "core/image/resize_axis.h"

namespace rtdetr {

// The two passes of Pillow's resize, with its 8-bit result in between, and what turns bytes into the model's floats.

/// Correctly rounded value / 255.0f from two products and a sum, which vectorise better than a division: the upper
/// part of 1/255 has few enough bits for an exact product.
inline constexpr float kInverseHigh = 0.0039215087890625f;  // 257 · 2^-16
inline constexpr float kInverseLow = static_cast<float>(1.0 / 255.0 - 0.0039215087890625);
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

/// The column pass over one row: the weighted sums along a row of RGB bytes, giving RGB and a byte without meaning.
/// The row must be readable kReadAhead bytes beyond its end.
class ColumnPass {
 public:
  static constexpr int kReadAhead = 8;

  explicit ColumnPass(const ResizeAxis& axis) : axis_(axis), split_(split_weights(axis)), stretch_(axis, split_) {}
  /// @param rgbx  [outputs][4]; written in [axis.begin, axis.end)
  void run(const std::uint8_t* row, std::uint8_t* rgbx) const;
  /// The same as three planes. @param rgbx  as above, for the pass's own use
  void run(const std::uint8_t* row, std::uint8_t* rgbx, std::uint8_t* r, std::uint8_t* g, std::uint8_t* b) const;

 private:
  static std::vector<std::int32_t> split_weights(const ResizeAxis& axis);

  const ResizeAxis& axis_;
  std::vector<std::int32_t> split_;
  avx512::Stretch stretch_;
};

/// The row pass: the weighted sum of `count` rows of bytes over [begin, end), as bytes or as floats in [0, 1].
void resize_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                 float* out);
void resize_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
                 std::uint8_t* out);

/// [width][4] bytes → three planes, as bytes or as floats in [0, 1].
void split_planes(const std::uint8_t* rgbx, int begin, int end, std::uint8_t* r, std::uint8_t* g, std::uint8_t* b);
void split_planes(const std::uint8_t* rgbx, int begin, int end, float* r, float* g, float* b);

}  // namespace rtdetr
