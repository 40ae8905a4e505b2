#pragma once

#include <cstdint>

#include "core/ops/packed/packed_kernels.h"

/// The three transforms of Winograd's F(M×M, 3×3): a filter becomes A² numbers, A = M + 2; an input tile of A pixels a
/// side becomes A² numbers per channel, and A² sums per channel become M×M outputs.
namespace rtdetr {

constexpr int kMaxWinogradTile = 6;

/// Filters of some input channels and a column panel of output channels.
struct WinogradFilterArgs {
  const float* filters;  ///< [channels][9][vectors · lanes]
  std::int64_t channels, vectors;
  float* u;                    ///< [words][vectors · lanes] of the first of A² numbers
  std::int64_t number_stride;  ///< floats between them
};

/// One tile of the input, all channels.
struct WinogradInputArgs {
  /// [A²] channels of each pixel; outside the map some zeros
  const float* pixel[kMaxWinogradTile * kMaxWinogradTile];
  std::int64_t channels;
  float* v;                    ///< first chunk of its row, of the first of A² row panels
  std::int64_t chunk_stride;   ///< numbers of the format between a row's chunks
  std::int64_t number_stride;  ///< and between the row panels
};

/// One tile of the output, some channels.
struct WinogradOutputArgs {
  const float* sums;  ///< [A²], number_stride apart
  std::int64_t number_stride;
  std::int64_t channels;
  const float* bias;
  float* y;
  std::int64_t y_row_stride, y_pixel_stride;
  const float* residual;
  std::int64_t residual_row_stride, residual_pixel_stride;
  std::int64_t rows, columns;  ///< that are inside the map, 1..M
  FusedActivation activation;
  ResidualPlace place;
};

struct WinogradKernels {
  void (*filter)(const WinogradFilterArgs&);
  void (*input)(const WinogradInputArgs&);
  void (*output)(const WinogradOutputArgs&);
};

/// For the CPU level in use. @param outputs  M: 2 or 4  @param format  of what is transformed: float32 or bf16
const WinogradKernels& winograd_kernels(int outputs, NumberFormat format = NumberFormat::kFloat32);

}  // namespace rtdetr
