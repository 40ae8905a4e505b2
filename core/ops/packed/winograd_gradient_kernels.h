#pragma once

#include <cstdint>

#include "core/ops/packed/winograd_kernels.h"

/// What training asks of Winograd's F(M×M, 3×3) beside the transforms of winograd_kernels.h: the filters' gradient.
/// With y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A it is Gᵀ[Σ (A dy Aᵀ) ⊙ (Bᵀ d B)]G, summed over all tiles.
namespace rtdetr {

/// sums[r][c] += Σ over k of left[k][r] · right[k][c] for the 16 rows of one chunk and the columns of one or two.
struct WinogradSumArgs {
  const float* left;   ///< [k][16]
  const float* right;  ///< chunks [k][16]
  std::int64_t k, chunks;
  float* sums;
  std::int64_t row_stride;
  bool first;  ///< nothing is in the sums yet
};

/// The gradients of some filters of one output channel.
struct WinogradFilterGradientArgs {
  const float* sums;  ///< [A²], number_stride apart
  std::int64_t number_stride;
  std::int64_t filters;
  float* to;
  std::int64_t filter_stride, tap_stride;
};

struct WinogradGradientKernels {
  /// A dy Aᵀ of one tile: M² pixels.
  void (*gradient)(const WinogradInputArgs&);
  void (*add_products)(const WinogradSumArgs&);
  void (*filter_gradient)(const WinogradFilterGradientArgs&);
};

/// For the CPU level in use. @param outputs  M: 2 or 4
const WinogradGradientKernels& winograd_gradient_kernels(int outputs);

}  // namespace rtdetr
