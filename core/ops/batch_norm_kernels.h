#pragma once

#include <cstdint>

#include "core/ops/batch_norm.h"

/// What stands between the op (shapes, autograd) and its loops. A map is `rows` × `channels`, contiguous; T is float or
/// std::uint16_t (the bits of a bfloat16). Every function works on a slice of rows.
namespace rtdetr {

/// Per-channel arrays, here and below, have padded_channels() numbers, so that vectors may read past the last one.
inline std::int64_t padded_channels(std::int64_t channels) { return (channels + 15) / 16 * 16; }

struct ChannelNorm {
  const float *mean, *inverse_deviation;
  const float *scale, *shift;  ///< (x − mean) · scale + shift is the norm's output
};

/// Whether dz is kept between the two passes of the backward step, where the gradient will lie: a sigmoid costs more
/// than a trip to memory, a sign less.
constexpr bool keeps_gradient(NormActivation activation) { return activation == NormActivation::kSilu; }

template <typename T>
struct BatchNormKernels {
  /// Adds Σx and Σx² of the slice.
  void (*sums)(const T* x, std::int64_t rows, std::int64_t channels, double* sum, double* squares);
  /// y = act((x − mean) · scale + shift); one function per NormActivation.
  void (*normalize[3])(const T* x, std::int64_t rows, std::int64_t channels, const ChannelNorm& norm, T* y);
  /// With dz = g · act'(z): adds Σdz and Σdz·x̂ of the slice; one function per NormActivation.
  /// @param dz  is written if the activation keeps_gradient()
  void (*backward_sums[3])(const T* g, const T* x, std::int64_t rows, std::int64_t channels, const ChannelNorm& norm,
                           double* sum, double* products, T* dz);
  /// dx = scale · (dz − mean_dz − x̂ · mean_product), where dz is computed from g again. dx may be g.
  void (*backward_input[3])(const T* g, const T* x, std::int64_t rows, std::int64_t channels, const ChannelNorm& norm,
                            const float* mean_dz, const float* mean_product, T* dx);
};

/// For the CPU level in use (cpu_level.h).
template <typename T>
const BatchNormKernels<T>& batch_norm_kernels();
template <>
const BatchNormKernels<float>& batch_norm_kernels<float>();
template <>
const BatchNormKernels<std::uint16_t>& batch_norm_kernels<std::uint16_t>();

}  // namespace rtdetr
