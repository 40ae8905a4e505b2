#include "models/deploy/engine/step.h"

#include <torch/types.h>

namespace rtdetr {

torch::Tensor EngineFrame::tensor(const EngineView& view, torch::ScalarType type) const {
  const auto size = static_cast<std::int64_t>(c10::elementSize(type));
  std::byte* data = bases[static_cast<std::size_t>(view.buffer)] + view.offset * size;
  return at::from_blob(data, view.shape, view.strides, type);
}

NarrowMaps narrow_maps(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  if (is_packed_product(operation, buffers)) return product_narrow_maps(operation, buffers);
  if (is_map_step(operation)) return {.input = true, .output = true, .together = true};
  return {};
}

EngineStepPtr make_step(EngineOperation operation, const std::vector<EngineBuffer>& buffers) {
  EngineStepPtr step = make_map_step(operation);
  if (!step) step = make_row_step(operation, buffers);
  if (!step) step = make_attention_step(operation);
  if (!step) step = make_selection_step(operation, buffers);
  if (!step) step = make_torch_step(operation, buffers);
  if (!step) throw UnknownOperation(operation.node.name + " (" + operation.node.op + ")");
  return step;
}

}  // namespace rtdetr
