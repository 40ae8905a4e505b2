#include "models/deploy/engine/fusion.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "models/deploy/engine/layout.h"
#include "models/deploy/engine/program.h"
#include "models/graph/model_files.h"
#include "tests/models/small_model.h"

namespace rtdetr {
namespace {

EngineGraph graph_of(const std::string& yaml, const ImageSize& size = {64, 96}) {
  DetectionModel model = build_model(parse_model_spec(yaml, "small.yaml"));
  model->fuse();
  return make_engine_graph(*model, size, {});
}

/// A row on a map of 8 channels, in front of a decoder.
std::string yaml_with(const std::string& row) {
  return "nc: 3\nbackbone:\n  - [-1, 1, ConvNorm, [8, 3, 4, relu]]\n  - " + row +
         "\nhead:\n  - [[1], 1, RTDETRDecoder, [nc, {dim: 8, queries: 4, heads: 2, layers: 1}]]\n";
}

std::ptrdiff_t count(const EngineGraph& graph, const std::string& op) {
  return std::ranges::count(graph.nodes, op, &EngineNode::op);
}

std::ptrdiff_t copies(const EngineGraph& graph) {
  const EngineLayout layout = plan_layout(graph);
  return std::ranges::count_if(layout.operations, [](const auto& operation) { return operation.node.op == "Copy"; });
}

}  // namespace

TEST_CASE("activations, residuals and padding become part of the convolution beside them") {
  const auto [row, gone] = GENERATE(table<std::string, std::string>({{"[-1, 2, PResNetStage, [basic, 8, 1]]", "Relu"},
                                                                     {"[-1, 2, PResNetStage, [basic, 8, 1]]", "Add"},
                                                                     {"[-1, 2, RepC3, [8]]", "Silu"},
                                                                     {"[-1, 1, HGStem, [4, 6]]", "Pad"}}));
  EngineGraph graph = graph_of(yaml_with(row));
  const auto in_rows = [&, name = gone] {  // not of the decoder
    return std::ranges::count_if(graph.nodes,
                                 [&](const EngineNode& node) { return node.op == name && node.name[0] == '1'; });
  };
  CHECK(in_rows() > 0);
  fuse_operations(graph);
  CHECK(in_rows() == 0);
}

TEST_CASE("two 1x1 convolutions of one map become one, as do a query's linear layers") {
  EngineGraph graph = graph_of(yaml_with("[-1, 1, RepC3, [8, 0.5]]"));
  const auto convolutions = count(graph, "Conv"), layers = count(graph, "Linear");
  fuse_operations(graph);
  CHECK(count(graph, "Conv") == convolutions - 1);
  CHECK(count(graph, "Linear") == layers - 1);  // sampling offsets and attention weights
  CHECK(count(graph, "Split") == 2);
}

TEST_CASE("the mask of border tokens leaves no product of tokens behind") {
  EngineGraph graph = graph_of(test::small_yaml("variant: v2"), {512, 64});  // cells near enough to the border
  CHECK(count(graph, "Mul") == 1);
  fuse_operations(graph);
  CHECK(count(graph, "Mul") == 0);
}

TEST_CASE("concatenations are computed in place; of a map in two of them one is a copy") {
  EngineGraph graph = graph_of(test::small_yaml("variant: v2"));
  fuse_operations(graph);
  CHECK(count(graph, "Concat") == 2);  // of maps, and of all tokens
  CHECK(copies(graph) == 0);
  EngineGraph twice = graph_of(yaml_with("[[-1, -1], 1, Concat, [1]]"));
  fuse_operations(twice);
  CHECK(copies(twice) == 1);
}

TEST_CASE("what lives at the same time lies apart, in less memory than all of it") {
  EngineGraph graph = graph_of(test::small_yaml("variant: v2"));
  fuse_operations(graph);
  EngineProgram program(graph);
  program.pack();
  const MemoryPlan plan = program.plan_memory(1);
  std::int64_t sum = 0;
  for (std::size_t b = 0; b < program.buffers().size(); ++b)
    if (plan.offsets[b] >= 0) sum += program.buffers()[b].bytes();
  for (const EngineStepPtr& step : program.steps()) sum += 4 * step->workspace_floats(1);
  CHECK(plan.bytes < sum / 2);
  for (const EngineStepPtr& step : program.steps()) {
    const EngineOperation& operation = step->operation();
    const auto at = [&](const EngineView& view) { return plan.offsets[static_cast<std::size_t>(view.buffer)]; };
    const EngineView& out = operation.outputs.front();
    for (const EngineView& in : operation.inputs) {
      if (in.buffer < 0 || at(in) < 0 || in.buffer == out.buffer) continue;
      const std::int64_t in_end = at(in) + program.buffers()[static_cast<std::size_t>(in.buffer)].bytes(),
                         out_end = at(out) + program.buffers()[static_cast<std::size_t>(out.buffer)].bytes();
      CHECK((in_end <= at(out) || out_end <= at(in)));
    }
  }
}

}  // namespace rtdetr
