#include "models/deploy/onnx/outputs.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "models/onnx/onnx_map_size.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// The best pairs of query and class, as best_pairs (models/heads/detr/best_pairs.h) finds them.
struct OnnxPairs {
  OnnxValue scores;   ///< [B, D] best first
  OnnxValue labels;   ///< [B, D] int64
  OnnxValue queries;  ///< [B, D] int64
};

OnnxPairs best_pairs_of(OnnxBuilder& graph, const OnnxValue& logits, std::int64_t most) {
  const OnnxValue precise = onnx::cast(graph, logits, graph.precise_type());
  const std::int64_t classes = logits.size(2), count = std::min(most, logits.size(1) * classes);
  // The sigmoid is monotone, so only the winners need it.
  const onnx::OnnxTopK best = onnx::top_k(graph, onnx::reshape(graph, precise, {0, -1}), count);
  const OnnxValue number = graph.integer(classes), query = onnx::div(graph, best.indices, number);
  const OnnxValue label = onnx::sub(graph, best.indices, onnx::mul(graph, query, number));
  return {onnx::unary(graph, "Sigmoid", best.values), label, query};
}

/// [B, D, 4] cxcywh → xyxy
OnnxValue corners_of(OnnxBuilder& graph, const OnnxValue& boxes) {
  const auto parts = onnx::split(graph, boxes, {2, 2}, -1);
  const OnnxValue half = graph.precise_constant("half", torch::scalar_tensor(0.5, torch::kDouble));
  const OnnxValue reach = onnx::mul(graph, parts[1], half);
  return onnx::concat(graph, {onnx::sub(graph, parts[0], reach), onnx::add(graph, parts[0], reach)}, -1);
}

void official_outputs(OnnxBuilder& graph, const OnnxPrediction& found, const OnnxValue& sizes, std::int64_t most) {
  const OnnxPairs pairs = best_pairs_of(graph, found.last.logits, most);
  const OnnxValue corners = onnx::gather_rows(graph, corners_of(graph, found.last.boxes_cxcywh), pairs.queries);
  const OnnxValue sides = onnx::cast(graph, sizes, graph.precise_type());
  const OnnxValue pixels = onnx::unsqueeze(graph, onnx::concat(graph, {sides, sides}, 1), 1);  // [B, 1, 4]
  graph.output(pairs.labels, "labels");
  graph.output(onnx::mul(graph, corners, pixels), "boxes");
  graph.output(pairs.scores, "scores");
}

void ultralytics_output(OnnxBuilder& graph, const OnnxPrediction& found, std::int64_t most) {
  const OnnxPairs pairs = best_pairs_of(graph, found.last.logits, most);
  const OnnxValue boxes = onnx::gather_rows(graph, found.last.boxes_cxcywh, pairs.queries);
  const OnnxValue labels = onnx::cast(graph, pairs.labels, graph.precise_type());
  const OnnxValue table =
      onnx::concat(graph, {boxes, onnx::unsqueeze(graph, pairs.scores, -1), onnx::unsqueeze(graph, labels, -1)}, -1);
  graph.output(table, "output0");
}

/// [4] width, height, width, height of the pictures, which the graph may learn when it runs.
OnnxValue picture_sides(OnnxBuilder& graph, const OnnxValue& pictures) {
  if (onnx::is_free(pictures)) {
    const OnnxMapSize size = onnx::map_size(graph, pictures);
    return onnx::cast(graph, onnx::gather(graph, size.sides, graph.integers({1, 0, 1, 0})), graph.precise_type());
  }
  const auto width = static_cast<double>(pictures.size(3)), height = static_cast<double>(pictures.size(2));
  return graph.precise_constant("sides", torch::tensor({width, height, width, height}, torch::kDouble));
}

/// Of a head that suppresses: all that it predicts, a column each.
void ultralytics_columns(OnnxBuilder& graph, const OnnxPrediction& found, const OnnxValue& pictures) {
  const OnnxValue boxes = onnx::mul(graph, found.last.boxes_cxcywh, picture_sides(graph, pictures));
  const OnnxValue scores = onnx::unary(graph, "Sigmoid", onnx::cast(graph, found.last.logits, graph.precise_type()));
  graph.output(onnx::transpose(graph, onnx::concat(graph, {boxes, scores}, -1), {0, 2, 1}), "output0");
}

}  // namespace

OnnxExport make_onnx_model(const DetectionModelImpl& model, const OnnxExportOptions& options) {
  const bool suppresses = model.head().suppresses();
  if (suppresses && options.outputs == OnnxOutputs::kOfficial)
    throw ConfigError("outputs=official: model " + model.spec().name +
                      " predicts an object several times and leaves the best one by suppression, which is not in an "
                      "ONNX graph; outputs=ultralytics and outputs=raw have every prediction, for the program that "
                      "reads the file to suppress");
  OnnxBuilder graph(options.float_type);
  const std::int64_t height = options.free_size ? OnnxValue::kFree : options.size.height,
                     width = options.free_size ? OnnxValue::kFree : options.size.width;
  const OnnxValue pictures =
      graph.input("images", {OnnxValue::kBatch, model.spec().channels, height, width}, graph.precise_type());
  OnnxValue sizes;
  if (options.outputs == OnnxOutputs::kOfficial)
    sizes = graph.input("orig_target_sizes", {OnnxValue::kBatch, 2}, OnnxType::kInt64);
  const OnnxPrediction found =
      model.emit(graph, onnx::cast(graph, pictures, graph.float_type()), {.grid_sample = options.grid_sample});
  {
    const OnnxBuilder::Scope scope = graph.within("outputs");
    switch (options.outputs) {
      case OnnxOutputs::kOfficial:
        official_outputs(graph, found, sizes, options.max_detections);
        break;
      case OnnxOutputs::kRaw:
        graph.output(onnx::cast(graph, found.last.logits, graph.precise_type()), "logits");
        graph.output(found.last.boxes_cxcywh, "pred_boxes");
        break;
      case OnnxOutputs::kUltralytics:
        if (suppresses)
          ultralytics_columns(graph, found, pictures);
        else
          ultralytics_output(graph, found, options.max_detections);
        break;
    }
  }
  const bool raw = options.outputs == OnnxOutputs::kRaw;  // whose outputs bear other names
  OnnxExport result;
  result.logits = raw ? "logits" : found.last.logits.name;
  result.boxes = raw ? "pred_boxes" : found.last.boxes_cxcywh.name;
  result.tokens = found.tokens.name;
  result.model.graph = graph.finish(model.spec().name);
  return result;
}

}  // namespace rtdetr
