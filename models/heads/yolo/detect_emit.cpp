// The head in operators of ONNX: every cell's box and logits; suppression is not among them.
#include <torch/types.h>

#include "core/base/error.h"
#include "models/heads/yolo/detect.h"
#include "models/onnx/onnx_map_size.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// [B, C, H, W] of each map → [B, A, C]
OnnxValue emit_anchors_of(OnnxBuilder& graph, const std::vector<OnnxValue>& maps) {
  std::vector<OnnxValue> rows;
  for (const OnnxValue& map : maps)
    rows.push_back(onnx::transpose(graph, onnx::reshape(graph, map, {0, map.size(1), -1}), {0, 2, 1}));
  return onnx::concat(graph, rows, 1);
}

OnnxValue emit_number(OnnxBuilder& graph, const char* role, double value) {
  return graph.precise_constant(role, torch::scalar_tensor(value, torch::kDouble));
}

/// DenseGrid's points and sizes, as values.
struct EmittedGrid {
  OnnxValue points, sizes;  ///< [A, 2]
};

/// Of one map: [H · W, 2] each.
EmittedGrid emit_grid_of(OnnxBuilder& graph, const OnnxValue& map) {
  const OnnxMapSize size = onnx::map_size(graph, map);
  const OnnxCells cells = onnx::cells_divided(graph, size, size.width);
  const OnnxValue place = onnx::concat(
      graph, {onnx::unsqueeze(graph, cells.remainders, -1), onnx::unsqueeze(graph, cells.quotients, -1)}, -1);
  const OnnxValue corner = onnx::cast(graph, place, graph.precise_type());
  const OnnxValue sides =
      onnx::cast(graph, onnx::gather(graph, size.sides, graph.integers({1, 0})), graph.precise_type());
  const OnnxValue none = onnx::mul(graph, corner, emit_number(graph, "none", 0));
  return {onnx::add(graph, corner, emit_number(graph, "half", 0.5)), onnx::add(graph, none, sides)};
}

/// Constants in the native dialect.
EmittedGrid emit_grid(OnnxBuilder& graph, const std::vector<OnnxValue>& maps,
                      const std::vector<DetectOptions::Map>& strides) {
  if (graph.native()) {
    std::vector<std::int64_t> sides;
    for (const OnnxValue& map : maps) sides.insert(sides.end(), {map.size(2), map.size(3)});
    const DenseGrid grid = make_grid(sides, strides, torch::TensorOptions(torch::kDouble));
    return {graph.precise_constant("points", grid.points), graph.precise_constant("sizes", grid.sizes)};
  }
  std::vector<OnnxValue> points, sizes;
  for (const OnnxValue& map : maps) {
    const EmittedGrid grid = emit_grid_of(graph, map);
    points.push_back(grid.points);
    sizes.push_back(grid.sizes);
  }
  return {onnx::concat(graph, points, 0), onnx::concat(graph, sizes, 0)};
}

/// As boxes_around, in the form and unit of predictions.
OnnxValue emit_boxes_around(OnnxBuilder& graph, const EmittedGrid& grid, const OnnxValue& distances) {
  const auto reach = onnx::split(graph, distances, {2, 2}, -1);
  const OnnxValue moved = onnx::mul(graph, onnx::sub(graph, reach[1], reach[0]), emit_number(graph, "half", 0.5));
  const OnnxValue centre = onnx::div(graph, onnx::add(graph, moved, grid.points), grid.sizes);
  return onnx::concat(graph, {centre, onnx::div(graph, onnx::add(graph, reach[0], reach[1]), grid.sizes)}, -1);
}

}  // namespace

OnnxValue PointConvolutionImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return onnx::conv(graph, x, weight, bias, {}, 1);
}

OnnxValue DetectImpl::Branch::emit(OnnxBuilder& graph, const std::string& path, const OnnxValue& map) const {
  const OnnxValue inner = graph.emit(path + ".1", second, graph.emit(path + ".0", first, map));
  return graph.emit(path + ".2", last, inner);
}

OnnxPrediction DetectImpl::emit(OnnxBuilder& graph, const std::vector<OnnxValue>& maps,
                                const OnnxHeadOptions& options) const {
  if (options.decoder_layers > 1)
    throw ModelError("has no decoder, of whose layers decoder_layers could leave some out");
  std::vector<OnnxValue> of_sides, of_classes;
  for (std::size_t k = 0; k < maps.size(); ++k) {
    of_sides.push_back(boxes_[k].emit(graph, "cv2." + std::to_string(k), maps[k]));
    of_classes.push_back(classes_[k].emit(graph, "cv3." + std::to_string(k), maps[k]));
  }
  const OnnxBuilder::Scope scope = graph.within("boxes");
  const OnnxValue sides = onnx::cast(graph, emit_anchors_of(graph, of_sides), graph.precise_type());
  // Rows of one side each: [B, 4 A, R].
  const OnnxValue shares = onnx::softmax(graph, onnx::reshape(graph, sides, {0, -1, options_.bins}));
  const OnnxValue bins = graph.precise_constant("bins", bins_.detach().to(torch::kDouble).view({-1, 1}));
  const OnnxValue distances = onnx::reshape(graph, onnx::matmul(graph, shares, bins), {0, -1, 4});
  const EmittedGrid grid = emit_grid(graph, maps, options_.maps);
  OnnxPrediction prediction;
  prediction.last = {emit_anchors_of(graph, of_classes), emit_boxes_around(graph, grid, distances)};
  return prediction;
}

}  // namespace rtdetr
