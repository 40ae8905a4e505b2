#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <vector>

#include "models/onnx/onnx_builder.h"

/// What follows from a map's height and width, computed in the graph in whole numbers: of constants where they are
/// known, else of what Shape tells when the graph runs. Tables of positions and anchors would be a few per cent of a
/// small model's file.
namespace rtdetr {

/// Of a map [B, C, H, W]; int64.
struct OnnxMapSize {
  OnnxValue sides;                 ///< [2] height, width
  OnnxValue height, width, cells;  ///< scalars
  std::int64_t known_height = OnnxValue::kFree, known_width = OnnxValue::kFree;

  std::int64_t known_cells() const { return known_height < 0 ? OnnxValue::kFree : known_height * known_width; }
};

/// The numbers of a map's cells, row by row, divided by a side of it; int64 [H · W].
struct OnnxCells {
  OnnxValue quotients, remainders;
};

namespace onnx {

bool is_free(const OnnxValue& map);  ///< whether its height and width are
OnnxMapSize map_size(OnnxBuilder& graph, const OnnxValue& map);
OnnxMapSize known_size(OnnxBuilder& graph, std::int64_t height, std::int64_t width);
/// By the width: row and column of every cell.
OnnxCells cells_divided(OnnxBuilder& graph, const OnnxMapSize& size, const OnnxValue& side);
/// @param front  of the shape, as reshape() has it; height and width follow
OnnxValue reshape_to_map(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& front,
                         const OnnxMapSize& size);
/// Rows of axis 1. @param begin, end  int64 [1]
OnnxValue slice_of_rows(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& begin, const OnnxValue& end);

}  // namespace onnx
}  // namespace rtdetr
