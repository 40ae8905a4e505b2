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

  /// Number k of all columns of a panel.
  /// @param from  of the first one, the others `step` numbers apart; rounded to the format, of int8 whole numbers from
  ///              -127 to 127
  void set(std::int64_t panel, std::int64_t k, const float* from, std::int64_t step) {
    const std::int64_t in_word = numbers_in_word(format_), in_panel = std::min(width(), columns_ - panel * width());
    float* words = values_.data() + offset(panel) + k / in_word * vectors(panel) * lanes_;
    const auto put = [&](auto* to, const auto& rounded) {
      to += k % in_word;
      for (std::int64_t n = 0; n < in_panel; ++n) to[n * in_word] = rounded(from[n * step]);
    };
    if (format_ == NumberFormat::kFloat32)
      put(words, [](float number) { return number; });
    else if (format_ == NumberFormat::kBFloat16)
      put(reinterpret_cast<std::uint16_t*>(words), bfloat16_of);
    else
      put(reinterpret_cast<std::int8_t*>(words), [](float number) { return static_cast<std::int8_t>(number); });
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
