#pragma once

#include <vector>

#include "models/heads/detr/query_selection.h"
#include "models/onnx/onnx_map_size.h"

namespace rtdetr {

/// Anchors in a graph; what make_anchors() computes, finite.
struct OnnxAnchors {
  OnnxValue logits;  ///< [S, 4] of the graph's precise type
  OnnxValue valid;   ///< [S, 1] or [1, S, 1], 0 or 1 of the graph's type; without a name when all are
};

/// A logit that stands for an infinite one: its sigmoid is 1 all the same, and it is a float16 number.
inline constexpr double kLargestLogit = 1e4;

/// As constants, for the native dialect.
OnnxAnchors anchor_tables(OnnxBuilder& graph, const std::vector<LevelShape>& levels, const AnchorOptions& options);
/// Computed in the graph.
OnnxAnchors emit_anchors(OnnxBuilder& graph, const std::vector<OnnxMapSize>& levels, const AnchorOptions& options);

}  // namespace rtdetr
