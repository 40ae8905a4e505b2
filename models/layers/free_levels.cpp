#include "models/layers/free_levels.h"

#include <torch/types.h>

#include "models/layers/deformable_attention.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// Rows [L, …] of the levels as rows of their points, [P, …] of the precise type.
class ByPoint {
 public:
  ByPoint(OnnxBuilder& graph, const std::vector<std::int64_t>& points) : graph_(graph) {
    std::vector<std::int64_t> levels;
    for (std::size_t l = 0; l < points.size(); ++l) levels.insert(levels.end(), points[l], std::int64_t(l));
    levels_ = graph_.integers(levels);
  }
  OnnxValue operator()(const std::vector<OnnxValue>& of_levels) const {
    const OnnxValue rows = onnx::cast(graph_, onnx::concat(graph_, of_levels, 0), graph_.precise_type());
    return onnx::gather(graph_, rows, levels_);
  }

 private:
  OnnxBuilder& graph_;
  OnnxValue levels_;
};

}  // namespace

OnnxFreeLevels emit_free_levels(OnnxBuilder& graph, const std::vector<OnnxMapSize>& sizes,
                                const DeformableAttentionOptions& options) {
  const OnnxBuilder::Scope scope = graph.within("levels");
  OnnxFreeLevels levels;
  levels.sizes = sizes;
  std::vector<OnnxValue> sides, starts;  // [1, 2] and [1, 1] each
  OnnxValue start = graph.integers({0});
  for (const OnnxMapSize& size : sizes) {
    levels.starts.push_back(start);
    starts.push_back(onnx::unsqueeze(graph, start, 0));
    sides.push_back(onnx::unsqueeze(graph, size.sides, 0));
    start = onnx::add(graph, start, size.cells);
  }
  levels.starts.push_back(start);

  const ByPoint by_point(graph, options.points);
  const auto height_and_width = onnx::split(graph, by_point(sides), {1, 1}, -1);
  const OnnxValue& height = height_and_width[0];
  levels.widths = height_and_width[1];
  levels.point_sizes = onnx::concat(graph, {levels.widths, height}, -1);
  levels.first_tokens = by_point(starts);
  const bool square = options.sampling == SamplingMethod::kDiscreteSquare;
  const OnnxValue ends =
      square ? onnx::concat(graph, {onnx::min(graph, levels.widths, height), height}, -1) : levels.point_sizes;
  const OnnxValue one = graph.precise_constant("one", torch::scalar_tensor(1, torch::kDouble));
  levels.last_cells = onnx::sub(graph, ends, one);
  return levels;
}

}  // namespace rtdetr
