#pragma once

#include <cstdint>

#include <torch/types.h>

/// Learnt tables of positions, brought to the size of a map. Each is a product with a matrix that depends on sizes
/// alone, in float64: gradients are the transposed product, and autocast leaves it as it is.
namespace rtdetr {

/// Row o has what entry o of the result takes of each entry of the table: half-pixel centres, borders repeated, no
/// antialias, as PyTorch's interpolate without align_corners.
/// @return  [out, in] float64 on the CPU; the unit matrix for equal sizes
torch::Tensor linear_resize(std::int64_t in, std::int64_t out);
/// The same with four entries for each, by Keys' kernel with a = −0.75.
torch::Tensor cubic_resize(std::int64_t in, std::int64_t out);

/// For each pair of cells of a line, the row of a table of offsets that stands for the way between them: first minus
/// second plus side − 1. A table of another length than 2 · side − 1 is resized to it first, linearly.
/// @param length  rows of the table
/// @return        [side · side, length] float64 on the CPU, the first cell slowest
torch::Tensor relative_places(std::int64_t side, std::int64_t length);

}  // namespace rtdetr
