#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/ops/packed/aligned_floats.h"
#include "core/ops/packed/packed_kernels.h"

namespace rtdetr {

/// The right side of a product [K, N] in column panels: two vectors wide, the last one of one vector if that holds what
/// is left. Missing columns are zero, as are the numbers that a last word of narrow ones lacks.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(const PackedKernels& kernels, std::int64_t k, std::int64_t columns)
      : format_(kernels.format),
        lanes_(kernels.lanes),
        k_(k),
        words_(kernels.has_tiles() ? kernels.row_words(k)
                                   : (k + numbers_in_word(kernels.format) - 1) / numbers_in_word(kernels.format)),
        columns_(columns),
        values_((columns + kernels.lanes - 1) / kernels.lanes * kernels.lanes * words()) {}

  /// @param value  rounded to the format; of int8 a whole number from -127 to 127
  void set(std::int64_t k, std::int64_t column, float value) {
    const std::int64_t panel = column / width(), in_word = numbers_in_word(format_);
    float* word = values_.data() + offset(panel) + k / in_word * vectors(panel) * lanes_ + column % width();
    if (format_ == NumberFormat::kFloat32)
      *word = value;
    else if (format_ == NumberFormat::kBFloat16)
      reinterpret_cast<std::uint16_t*>(word)[k % in_word] = bfloat16_of(value);
    else
      reinterpret_cast<std::int8_t*>(word)[k % in_word] = static_cast<std::int8_t>(value);
  }
  NumberFormat format() const { return format_; }
  std::int64_t k() const { return k_; }
  std::int64_t words() const { return words_; }  ///< those behind K's end are zero
  std::int64_t columns() const { return columns_; }
  std::int64_t panels() const { return (columns_ + width() - 1) / width(); }
  const float* panel(std::int64_t i) const { return values_.data() + offset(i); }
  float* panel(std::int64_t i) { return values_.data() + offset(i); }
  /// Of the panel's width.
  std::int64_t vectors(std::int64_t panel) const { return columns_ - panel * width() > lanes_ ? kMaxVectors : 1; }
  /// Of a panel that is not the last one.
  std::int64_t width() const { return kMaxVectors * lanes_; }
  std::size_t bytes() const { return static_cast<std::size_t>(values_.size()) * sizeof(float); }

 private:
  std::int64_t offset(std::int64_t panel) const { return panel * width() * words(); }

  NumberFormat format_ = NumberFormat::kFloat32;
  std::int64_t lanes_ = 1, k_ = 0, words_ = 0, columns_ = 0;
  AlignedFloats values_;
};

/// `bias` (may be nullptr), with zeros up to whole panels.
inline AlignedFloats padded_bias(const float* bias, std::int64_t columns) {
  AlignedFloats padded(columns + kMaxVectors * kMaxLanes);
  if (bias) std::copy_n(bias, columns, padded.data());
  return padded;
}

}  // namespace rtdetr
