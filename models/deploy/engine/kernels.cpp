#include "models/deploy/engine/kernels.h"

#include <cmath>

#include "core/base/simd.h"

namespace rtdetr {

RTDETR_SIMD void add_row(const float* a, const float* b, float* to, std::int64_t length) {
#pragma omp simd
  for (std::int64_t i = 0; i < length; ++i) to[i] = a[i] + b[i];
}

RTDETR_SIMD void normalize_row(const float* x, const float* weight, const float* bias, float eps, float* to,
                               std::int64_t length) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < length; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(length);
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < length; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / std::sqrt(squares / static_cast<float>(length) + eps);
#pragma omp simd
  for (std::int64_t i = 0; i < length; ++i) to[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

RTDETR_SIMD void rms_normalize_row(const float* x, const float* scale, float eps, float* to, std::int64_t length) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < length; ++i) squares += x[i] * x[i];
  const float unit = 1 / std::sqrt(squares / static_cast<float>(length) + eps);
#pragma omp simd
  for (std::int64_t i = 0; i < length; ++i) to[i] = x[i] * unit * scale[i];
}

RTDETR_SIMD float largest_of_row(const float* x, std::int64_t length) {
  float largest = x[0];
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < length; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

}  // namespace rtdetr
