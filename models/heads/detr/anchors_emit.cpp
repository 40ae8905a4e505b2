#include "models/heads/detr/anchors_emit.h"

#include <torch/types.h>

#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

OnnxValue precise(OnnxBuilder& graph, const char* role, double value) {
  return graph.precise_constant(role, torch::scalar_tensor(value, torch::kDouble));
}

/// Of each cell 2 · column + 1 and 2 · row + 1: its centre in half cells. int64 [H · W, 2]
OnnxValue centres(OnnxBuilder& graph, const OnnxMapSize& size) {
  const OnnxCells cells = onnx::cells_divided(graph, size, size.width);
  const OnnxValue place = onnx::concat(
      graph, {onnx::unsqueeze(graph, cells.remainders, -1), onnx::unsqueeze(graph, cells.quotients, -1)}, -1);
  return onnx::add(graph, onnx::mul(graph, place, graph.integer(2)), graph.integer(1));
}

/// log(c / (1 - c)) of the centres, then the logit of the sides. @param doubled  [2] twice width and height
OnnxValue level_logits(OnnxBuilder& graph, const OnnxValue& centre, const OnnxValue& doubled, double side) {
  const OnnxValue rest = onnx::sub(graph, doubled, centre);
  const OnnxValue ratio =
      onnx::div(graph, onnx::cast(graph, centre, graph.precise_type()), onnx::cast(graph, rest, graph.precise_type()));
  const OnnxValue logits = onnx::unary(graph, "Log", ratio);
  return graph.node("Pad", {logits, graph.integers({0, 0, 0, 2}), precise(graph, "side", side_logit(side))},
                    {{centre.size(0), 4}, logits.type});
}

/// 1 where the centre lies within the official bounds, compared in hundredths of whole numbers. [H · W, 1]
OnnxValue level_validity(OnnxBuilder& graph, const OnnxValue& centre, const OnnxValue& doubled, double side) {
  const OnnxValue hundredfold = onnx::mul(graph, centre, graph.integer(100));
  const auto counted = [&](const OnnxValue& condition) { return onnx::cast(graph, condition, graph.precise_type()); };
  const OnnxValue lowest = onnx::mul(graph, doubled, graph.integer(kLowestPercent));
  const OnnxValue highest = onnx::mul(graph, doubled, graph.integer(kHighestPercent));
  const OnnxValue inside = onnx::mul(graph, counted(onnx::greater(graph, hundredfold, lowest)),
                                     counted(onnx::less(graph, hundredfold, highest)));
  const auto columns = onnx::split(graph, inside, {1, 1}, -1);
  const OnnxValue valid = onnx::mul(graph, columns[0], columns[1]);
  return is_official(side) ? valid : onnx::mul(graph, valid, precise(graph, "none", 0));
}

/// Where `valid` is 0, the largest logit. No Where: engines refuse it (docs/decisions/0008-onnx-by-hand.md).
OnnxValue blanked(OnnxBuilder& graph, const OnnxValue& logits, const OnnxValue& valid) {
  const OnnxValue invalid = onnx::sub(graph, precise(graph, "one", 1), valid);
  const OnnxValue largest = onnx::mul(graph, invalid, precise(graph, "largest", kLargestLogit));
  return onnx::add(graph, onnx::mul(graph, logits, valid), largest);
}

}  // namespace

OnnxAnchors anchor_tables(OnnxBuilder& graph, const std::vector<LevelShape>& levels, const AnchorOptions& options) {
  const Anchors all = make_anchors(levels, options, torch::kDouble);
  OnnxAnchors anchors;
  anchors.logits = graph.precise_constant("anchors", all.logits.squeeze(0).clamp(-kLargestLogit, kLargestLogit));
  if (all.valid.defined()) anchors.valid = graph.constant("valid", all.valid.to(torch::kDouble));
  return anchors;
}

OnnxAnchors emit_anchors(OnnxBuilder& graph, const std::vector<OnnxMapSize>& levels, const AnchorOptions& options) {
  const OnnxBuilder::Scope scope = graph.within("anchors");
  std::vector<OnnxValue> logits, valid;
  double side = kFinestSide;
  for (const OnnxMapSize& level : levels) {
    const OnnxValue centre = centres(graph, level);
    const OnnxValue sides = onnx::gather(graph, level.sides, graph.integers({1, 0}));
    const OnnxValue doubled = onnx::mul(graph, sides, graph.integer(2));
    logits.push_back(level_logits(graph, centre, doubled, side));
    if (options.official_border) valid.push_back(level_validity(graph, centre, doubled, side));
    side *= 2;
  }
  OnnxAnchors anchors;
  anchors.logits = onnx::concat(graph, logits, 0);
  if (valid.empty()) return anchors;
  const OnnxValue mask = onnx::concat(graph, valid, 0);
  anchors.logits = blanked(graph, anchors.logits, mask);
  anchors.valid = onnx::cast(graph, mask, graph.float_type());
  return anchors;
}

}  // namespace rtdetr
