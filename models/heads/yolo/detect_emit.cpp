// The head in operators of ONNX: every cell's box and logits; suppression is not among them.
#include <torch/torch.h>

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

/// As boxes_around, in the form and unit of predictions.
OnnxValue emit_boxes_around(OnnxBuilder& graph, const DenseGrid& grid, const OnnxValue& distances) {
  const auto reach = onnx::split(graph, distances, {2, 2}, -1);
  const OnnxValue points = graph.precise_constant("points", grid.points),
                  sizes = graph.precise_constant("sizes", grid.sizes);
  const OnnxValue half = graph.precise_constant("half", torch::scalar_tensor(0.5, torch::kDouble));
  const OnnxValue moved = onnx::mul(graph, onnx::sub(graph, reach[1], reach[0]), half);
  const OnnxValue centre = onnx::div(graph, onnx::add(graph, moved, points), sizes);
  return onnx::concat(graph, {centre, onnx::div(graph, onnx::add(graph, reach[0], reach[1]), sizes)}, -1);
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
  std::vector<std::int64_t> map_sides;
  for (std::size_t k = 0; k < maps.size(); ++k) {
    if (onnx::is_free(maps[k]))
      throw ModelError(
          "has no ONNX form of free height and width, as its anchors are constants; give a size, imgsz=640");
    of_sides.push_back(boxes_[k].emit(graph, "cv2." + std::to_string(k), maps[k]));
    of_classes.push_back(classes_[k].emit(graph, "cv3." + std::to_string(k), maps[k]));
    map_sides.insert(map_sides.end(), {maps[k].size(2), maps[k].size(3)});
  }
  const OnnxBuilder::Scope scope = graph.within("boxes");
  const OnnxValue sides = onnx::cast(graph, emit_anchors_of(graph, of_sides), graph.precise_type());
  // Rows of one side each: [B, 4 A, R].
  const OnnxValue shares = onnx::softmax(graph, onnx::reshape(graph, sides, {0, -1, options_.bins}));
  const OnnxValue bins = graph.precise_constant("bins", bins_.detach().to(torch::kDouble).view({-1, 1}));
  const OnnxValue distances = onnx::reshape(graph, onnx::matmul(graph, shares, bins), {0, -1, 4});
  const DenseGrid grid = make_grid(map_sides, options_.maps, torch::TensorOptions(torch::kDouble));
  OnnxPrediction prediction;
  prediction.last = {emit_anchors_of(graph, of_classes), emit_boxes_around(graph, grid, distances)};
  return prediction;
}

}  // namespace rtdetr
