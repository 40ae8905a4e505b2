#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <vector>

#include "models/onnx/onnx_builder.h"

/// What follows from a map's height and width in a graph that learns these only when it runs: what is a constant where
/// they are known is computed there, in whole numbers, of what Shape tells.
namespace rtdetr {

/// Of a map [B, C, H, W]; int64.
struct OnnxMapSize {
  OnnxValue sides;                 ///< [2] height, width
  OnnxValue height, width, cells;  ///< scalars
};

/// The numbers of a map's cells, row by row, divided by a side of it; int64 [H · W].
struct OnnxCells {
  OnnxValue quotients, remainders;
};

namespace onnx {

bool is_free(const OnnxValue& map);  ///< whether its height and width are
OnnxMapSize map_size(OnnxBuilder& graph, const OnnxValue& map);
/// By the width: row and column of every cell.
OnnxCells cells_divided(OnnxBuilder& graph, const OnnxMapSize& size, const OnnxValue& side);
/// @param front  of the shape, as reshape() has it; height and width follow
OnnxValue reshape_to_map(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& front,
                         const OnnxMapSize& size);
/// Rows of axis 1. @param begin, end  int64 [1]
OnnxValue slice_of_rows(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& begin, const OnnxValue& end);

}  // namespace onnx
}  // namespace rtdetr
