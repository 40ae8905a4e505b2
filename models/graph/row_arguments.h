#pragma once

#include "models/graph/registry.h"
#include "models/layers/conv.h"

/// Arguments that several families of blocks share.
namespace rtdetr {

inline constexpr double kMaxChannels = 65536;

ArgumentSpec out_argument();     ///< `out`: output channels
ArgumentSpec groups_argument();  ///< `g` (1)
ArgumentSpec norm_argument();    ///< named option `norm`: batch or frozen
ArgumentSpec freeze_argument();  ///< named option `freeze`

/// BatchNorm as the model file wants it.
BatchNormOptions norm_options(const RowContext& row);
/// The same for a block with `norm_argument`.
BatchNormOptions chosen_norm_options(const RowContext& row);

/// Checks a window (convolution, pooling): it must take a map whose sides are multiples of `stride` to sides exactly
/// `stride` times smaller.
/// @throws ModelError  saying what was expected, if it does not
void check_window(std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t dilation = 1);

}  // namespace rtdetr
