#pragma once

#include <cstdint>
#include <vector>

#include "models/deploy/engine/graph.h"

/// Where values lie. Maps are kept with their channels last, so that a pixel's channels are a row of memory, as a
/// token's are; then what turns maps into tokens and back moves nothing, and nor does a split. The parts of a
/// concatenation are computed at their places in the whole.
namespace rtdetr {

/// A value, or a part of one, inside a buffer. Sizes and offsets in elements.
struct EngineView {
  int buffer = -1;  ///< -1: left out
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
  NumberFormat format = NumberFormat::kFloat32;  ///< bf16 where narrow_maps.h says so

  std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
  std::int64_t size(std::int64_t axis) const {
    return shape.at(static_cast<std::size_t>(axis < 0 ? axis + rank() : axis));
  }
  std::int64_t stride(std::int64_t axis) const {
    return strides.at(static_cast<std::size_t>(axis < 0 ? axis + rank() : axis));
  }
  /// As a table of rows: the last axis of tokens, the channels of a map's pixels.
  bool is_rows() const;
  /// Rows of as many elements, in the same order of axes.
  bool has_rows_like(const EngineView& other) const {
    return is_rows() && other.is_rows() && row_length() == other.row_length() && is_pixels() == other.is_pixels();
  }
  bool is_pixels() const { return rank() == 4 && stride(1) == 1; }  ///< a map whose channels lie together
  std::int64_t rows() const;
  std::int64_t row_length() const;
  std::int64_t row_stride() const;
};

struct EngineBuffer {
  std::int64_t elements = 0;
  OnnxType type = OnnxType::kFloat;
  torch::Tensor constant;  ///< undefined: computed
  bool is_images = false;  ///< the caller's
  bool is_output = false;  ///< read after the last operation

  bool is_narrow = false;  ///< floats as bf16 (narrow_maps.h)

  std::int64_t bytes() const {
    return elements * (type == OnnxType::kInt64 ? 8 : type == OnnxType::kBool ? 1 : is_narrow ? 2 : 4);
  }
};

/// A node with its values' places. "Copy" is an operation that layout adds.
struct EngineOperation {
  EngineNode node;
  std::vector<EngineView> inputs, outputs;
  EngineView residual;
};

/// What a head predicts at one of its layers.
struct EngineLayerViews {
  EngineView logits, boxes;
};

struct EngineLayout {
  std::vector<EngineOperation> operations;
  std::vector<EngineBuffer> buffers;
  std::vector<EngineLayerViews> layers;  ///< as the graph's
  EngineView tokens;
};

EngineLayout plan_layout(const EngineGraph& graph);

}  // namespace rtdetr
