#pragma once

#include "core/tensor/detection.h"
#include "models/onnx/onnx_ops.h"

/// A map as cells with their channels last, which is how vision transformers see it.
namespace rtdetr {

/// [B, C, H, W] → [B, H, W, C], and back. Nothing is copied.
inline Tensor cells_of(const Tensor& map) { return map.permute({0, 2, 3, 1}); }
inline Tensor map_of(const Tensor& cells) { return cells.permute({0, 3, 1, 2}); }

inline OnnxValue emit_cells_of(OnnxBuilder& graph, const OnnxValue& map) {
  return onnx::transpose(graph, map, {0, 2, 3, 1});
}
inline OnnxValue emit_map_of(OnnxBuilder& graph, const OnnxValue& cells) {
  return onnx::transpose(graph, cells, {0, 3, 1, 2});
}

/// Of a LayerNorm over a cell's channels, in ViTDet and its pyramid.
inline constexpr double kCellNormEps = 1e-6;

}  // namespace rtdetr
