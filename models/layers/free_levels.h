#pragma once

#include <vector>

#include "models/onnx/onnx_map_size.h"

namespace rtdetr {

struct DeformableAttentionOptions;

/// The maps that a graph of free height and width samples. All empty where the sizes are known.
struct OnnxFreeLevels {
  std::vector<OnnxMapSize> sizes;
  std::vector<OnnxValue> starts;  ///< int64 [1]: the first token of each level, then the number of all
  /// A row for each point, which says the same for all points of a level; of the graph's precise type. [P, 2 or 1]
  OnnxValue point_sizes;  ///< width, height
  OnnxValue last_cells;   ///< the last column and row that may be sampled
  OnnxValue widths;
  OnnxValue first_tokens;

  bool empty() const { return sizes.empty(); }
};

/// @param options  of all layers that sample these levels
OnnxFreeLevels emit_free_levels(OnnxBuilder& graph, const std::vector<OnnxMapSize>& sizes,
                                const DeformableAttentionOptions& options);

}  // namespace rtdetr
