#include "models/deploy/engine/narrow_maps.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/cpu_level.h"
#include "models/deploy/engine/fusion.h"
#include "models/deploy/engine/numbers.h"
#include "models/deploy/engine/step.h"
#include "models/graph/model_files.h"
#include "tests/models/small_model.h"

namespace rtdetr {
namespace {

EngineLayout layout_of(const std::string& yaml, NumberFormat format) {
  DetectionModel model = build_model(parse_model_spec(yaml, "small.yaml"));
  model->fuse();
  EngineGraph graph = make_engine_graph(*model, {64, 96}, {});
  fuse_operations(graph);
  choose_numbers(graph, {format, {}});
  EngineLayout layout = plan_layout(graph);
  narrow_maps(layout);
  return layout;
}

std::ptrdiff_t narrow_buffers(const EngineLayout& layout) {
  return std::ranges::count(layout.buffers, true, &EngineBuffer::is_narrow);
}

}  // namespace

TEST_CASE("maps are bf16 where a bf16 model runs on AMX, and all that touches one takes it") {
  if (!has_tile_products()) {
    WARN("this processor has no AMX, so no map is bf16");
    return;
  }
  const std::string yaml = test::small_yaml(GENERATE("variant: v2", "variant: ultralytics", "variant: dfine"));
  const EngineLayout layout = layout_of(yaml, NumberFormat::kBFloat16);
  CHECK(narrow_buffers(layout) > 5);
  const auto is_narrow = [&](const EngineView& view) {
    const bool narrow = view.buffer >= 0 && layout.buffers[static_cast<std::size_t>(view.buffer)].is_narrow;
    CHECK((view.format == NumberFormat::kBFloat16) == narrow);
    return narrow;
  };
  for (const EngineBuffer& buffer : layout.buffers) {
    if (!buffer.is_narrow) continue;
    CHECK(buffer.bytes() == 2 * buffer.elements);
    CHECK_FALSE((buffer.is_images || buffer.is_output || buffer.constant.defined()));
  }
  for (const EngineOperation& operation : layout.operations) {
    INFO(operation.node.name);
    const NarrowMaps maps = narrow_maps(operation, layout.buffers);
    const bool input = is_narrow(operation.inputs.front()), output = is_narrow(operation.outputs.front());
    CHECK((maps.input || !input));
    CHECK((maps.output || !output));
    if (maps.together) CHECK(input == output);
    if (operation.residual.buffer >= 0) CHECK(is_narrow(operation.residual) == output);
    for (std::size_t k = 1; k < operation.inputs.size(); ++k) CHECK_FALSE(is_narrow(operation.inputs[k]));
  }
}

TEST_CASE("maps stay float32 in a float32 engine, and without AMX") {
  const std::string yaml = test::small_yaml("variant: v2");
  CHECK(narrow_buffers(layout_of(yaml, NumberFormat::kFloat32)) == 0);
  set_cpu_level(std::min(CpuLevel::kAvx512, best_cpu_level()));
  if (can_multiply(NumberFormat::kBFloat16)) CHECK(narrow_buffers(layout_of(yaml, NumberFormat::kBFloat16)) == 0);
  set_cpu_level(best_cpu_level());
}

}  // namespace rtdetr
