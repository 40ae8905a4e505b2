#pragma once

#include "core/base/cpp20.h"

#include <cstdint>

#include <torch/types.h>

namespace rtdetr {

struct ConvWindow {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};

/// What torch::conv2d computes, faster in training. Where a gradient is recorded, 3×3 convolutions of stride 1 over
/// float32 or bfloat16 maps in channels-last memory on the CPU get their gradients by Winograd's algorithm, if that is
/// faster at their size (winograd_outputs), bfloat16 maps their results, too. It computes in float32: under autocast to
/// bfloat16 the maps are bfloat16, weights and their gradient are not rounded. Everything else (other types, devices
/// and windows, maps that teach nobody) is handed to torch::conv2d. What goes through Winograd's algorithm has the same
/// bits with any number of threads; whether it does depends on the size, so a smaller batch may differ in last digits,
/// and for bfloat16 on the processor. Differentiable once.
///
/// @param x       [B, C, H, W]
/// @param weight  [D, C / groups, kernel, kernel]
/// @param bias    [D], or undefined
/// @return        [B, D, H', W']
/// @throws InternalError  from a backward pass with create_graph
torch::Tensor conv2d(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     const ConvWindow& window);

struct WinogradSize {
  std::int64_t in = 0, out = 0, batch = 1, height = 0, width = 0;  ///< of the output
  bool bfloat16 = false;  ///< of the maps, and of the direct convolution that is compared with
};

/// The side M of the tiles of Winograd's F(M×M, 3×3) that is fastest by a count of operations: 2 or 4. 0: a direct
/// convolution is.
int winograd_outputs(const WinogradSize& size);

/// Sides of the tiles: 2 or 4. A forward pass of 0 is LibTorch's: conv2d leaves that of float32 there, because deep
/// models carry each change of rounding to their losses.
struct WinogradTiles {
  int forward = 0, backward = 4;
};

/// The convolution of stride 1 with such tiles, whatever it costs.
/// @param x        [B, C, H, W] float32 or bfloat16 on the CPU, in channels-last memory, as are the result and the
///                 gradient of x; at least 3 pixels high and wide with the padding
/// @param weight   [D, C, 3, 3] float32, as is its gradient
/// @param padding  0, 1 or 2
torch::Tensor winograd_conv2d(const torch::Tensor& x, const torch::Tensor& weight, std::int64_t padding,
                              const WinogradTiles& tiles);

}  // namespace rtdetr
