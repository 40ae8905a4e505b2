#include "models/onnx/onnx_map_size.h"

#include "core/base/check.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr::onnx {

bool is_free(const OnnxValue& map) {
  RTDETR_CHECK(map.rank() == 4, map.name + " is no map");
  return map.size(2) == OnnxValue::kFree;
}

OnnxMapSize known_size(OnnxBuilder& graph, std::int64_t height, std::int64_t width) {
  return {graph.integers({height, width}),
          graph.integer(height),
          graph.integer(width),
          graph.integer(height * width),
          height,
          width};
}

OnnxMapSize map_size(OnnxBuilder& graph, const OnnxValue& map) {
  if (!is_free(map)) return known_size(graph, map.size(2), map.size(3));
  OnnxMapSize size;
  size.sides =
      graph.node("Shape", {map}, {{2}, OnnxType::kInt64}, {{"start", std::int64_t{2}}, {"end", std::int64_t{4}}});
  size.height = gather(graph, size.sides, graph.integer(0));
  size.width = gather(graph, size.sides, graph.integer(1));
  size.cells = mul(graph, size.height, size.width);
  return size;
}

OnnxCells cells_divided(OnnxBuilder& graph, const OnnxMapSize& size, const OnnxValue& side) {
  const OnnxValue numbers =
      graph.node("Range", {graph.integer(0), size.cells, graph.integer(1)}, {{size.known_cells()}, OnnxType::kInt64});
  const OnnxValue quotients = div(graph, numbers, side);
  return {quotients, sub(graph, numbers, mul(graph, quotients, side))};
}

OnnxValue reshape_to_map(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& front,
                         const OnnxMapSize& size) {
  std::vector<std::int64_t> shape = front;
  if (size.known_cells() >= 0) {
    shape.insert(shape.end(), {size.known_height, size.known_width});
    return reshape(graph, x, shape);
  }
  for (std::size_t axis = 0; axis < front.size(); ++axis) {
    if (front[axis] == 0) shape[axis] = x.shape.at(axis);
    if (front[axis] == -1) shape[axis] = OnnxValue::kBatch;
  }
  shape.insert(shape.end(), 2, OnnxValue::kFree);
  const OnnxValue target = concat(graph, {graph.integers(front), size.sides}, 0);
  return graph.node("Reshape", {x, target}, {shape, x.type});
}

OnnxValue slice_of_rows(OnnxBuilder& graph, const OnnxValue& x, const OnnxValue& begin, const OnnxValue& end) {
  std::vector<std::int64_t> shape = x.shape;
  shape.at(1) = OnnxValue::kFree;
  return graph.node("Slice", {x, begin, end, graph.integers({1})}, {shape, x.type});
}

}  // namespace rtdetr::onnx
