#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/packed/aligned_floats.h"
#include "core/ops/packed/packed_kernels.h"

namespace rtdetr {

/// The right side of a product [K, N] in column panels: two vectors wide, the last one of one vector if that holds what
/// is left. Missing columns are zero.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// @param zero  false: all of it, missing columns, too, will be written through panel()
  PackedMatrix(const PackedKernels& kernels, std::int64_t k, std::int64_t columns, bool zero = true)
      : lanes_(kernels.lanes),
        k_(k),
        columns_(columns),
        values_((columns + kernels.lanes - 1) / kernels.lanes * kernels.lanes * k, zero) {}

  void set(std::int64_t k, std::int64_t column, float value) {
    const std::int64_t panel = column / width();
    values_.data()[offset(panel) + k * vectors(panel) * lanes_ + column % width()] = value;
  }
  std::int64_t k() const { return k_; }
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
  std::int64_t offset(std::int64_t panel) const { return panel * width() * k_; }

  std::int64_t lanes_ = 1, k_ = 0, columns_ = 0;
  AlignedFloats values_;
};

/// `bias` (may be nullptr), with zeros up to whole panels.
inline AlignedFloats padded_bias(const float* bias, std::int64_t columns) {
  AlignedFloats padded(columns + kMaxVectors * kMaxLanes);
  if (bias) std::copy_n(bias, columns, padded.data());
  return padded;
}

}  // namespace rtdetr
