#include "models/deploy/engine/narrow_maps.h"

#include <algorithm>
#include <vector>

#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

/// Which buffers are bf16, narrowed down until every operation agrees.
class Agreement {
 public:
  explicit Agreement(const EngineLayout& layout) : layout_(layout) {
    for (const EngineBuffer& buffer : layout.buffers)
      narrow_.push_back(buffer.type == OnnxType::kFloat && !buffer.constant.defined() && !buffer.is_images &&
                        !buffer.is_output);
    for (const EngineOperation& operation : layout.operations) maps_.push_back(narrow_maps(operation, layout.buffers));
    while (refuse_some()) {
    }
  }
  bool is_narrow(const EngineView& view) const { return view.buffer >= 0 && narrow_[index(view)]; }

 private:
  static std::size_t index(const EngineView& view) { return static_cast<std::size_t>(view.buffer); }
  bool refuse(const EngineView& view) {
    const bool was = is_narrow(view);
    if (was) narrow_[index(view)] = false;
    return was;
  }
  /// @return  whether that changed anything
  bool refuse_some() {
    bool changed = false;
    for (std::size_t k = 0; k < maps_.size(); ++k) {
      const EngineOperation& operation = layout_.operations[k];
      const NarrowMaps& maps = maps_[k];
      const EngineView &in = operation.inputs.front(), &out = operation.outputs.front(), &added = operation.residual;
      const bool has_residual = added.buffer >= 0;
      const bool output =
          maps.output && is_narrow(out) && (!has_residual || is_narrow(added)) && (!maps.together || is_narrow(in));
      const bool input = maps.input && is_narrow(in) && (!maps.together || output);
      if (!input) changed = refuse(in) || changed;
      if (!output) {
        changed = refuse(out) || changed;
        changed = refuse(added) || changed;
      }
      for (std::size_t i = 1; i < operation.inputs.size(); ++i) changed = refuse(operation.inputs[i]) || changed;
      for (std::size_t i = 1; i < operation.outputs.size(); ++i) changed = refuse(operation.outputs[i]) || changed;
    }
    return changed;
  }

  const EngineLayout& layout_;
  std::vector<bool> narrow_;
  std::vector<NarrowMaps> maps_;  ///< by operation
};

}  // namespace

void narrow_maps(EngineLayout& layout) {
  const bool multiplies_narrow = std::ranges::any_of(layout.operations, [](const EngineOperation& operation) {
    return operation.node.format != NumberFormat::kFloat32;
  });
  if (!multiplies_narrow || !has_tile_products()) return;
  const Agreement agreement(layout);
  const auto mark = [&](EngineView& view) {
    if (!agreement.is_narrow(view)) return;
    view.format = NumberFormat::kBFloat16;
    layout.buffers[static_cast<std::size_t>(view.buffer)].is_narrow = true;
  };
  for (EngineOperation& operation : layout.operations) {
    std::ranges::for_each(operation.inputs, mark);
    std::ranges::for_each(operation.outputs, mark);
    mark(operation.residual);
  }
}

}  // namespace rtdetr
