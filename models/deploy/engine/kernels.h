#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

/// The engine's small loops, over rows of floats or, as std::uint16_t, bf16.
namespace rtdetr {

template <typename Number>
void copy_rows(const Number* from, std::int64_t from_stride, Number* to, std::int64_t to_stride, std::int64_t rows,
               std::int64_t length) {
  const auto bytes = static_cast<std::size_t>(length) * sizeof(Number);
  for (std::int64_t row = 0; row < rows; ++row) std::memcpy(to + row * to_stride, from + row * from_stride, bytes);
}
/// to = a + b
void add_row(const float* a, const float* b, float* to, std::int64_t length);
/// to = (x − mean) / √(variance + eps) · weight + bias
void normalize_row(const float* x, const float* weight, const float* bias, float eps, float* to, std::int64_t length);
/// to = x / √(mean of x² + eps) · scale
void rms_normalize_row(const float* x, const float* scale, float eps, float* to, std::int64_t length);
float largest_of_row(const float* x, std::int64_t length);

}  // namespace rtdetr
