#pragma once

#include <cstdint>

/// The engine's small loops, over rows of floats.
namespace rtdetr {

void copy_rows(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride, std::int64_t rows,
               std::int64_t length);
/// to = a + b
void add_row(const float* a, const float* b, float* to, std::int64_t length);
/// to = max(to, a)
void max_row(const float* a, float* to, std::int64_t length);
/// to = (to + a) · scale
void add_scaled_row(const float* a, float scale, float* to, std::int64_t length);
/// to = (x − mean) / √(variance + eps) · weight + bias
void normalize_row(const float* x, const float* weight, const float* bias, float eps, float* to, std::int64_t length);
/// to = x / √(mean of x² + eps) · scale
void rms_normalize_row(const float* x, const float* scale, float eps, float* to, std::int64_t length);
float largest_of_row(const float* x, std::int64_t length);

}  // namespace rtdetr
