#include "models/deploy/engine/layout.h"

#include <algorithm>
#include <optional>

#include <ATen/TensorUtils.h>
#include <torch/types.h>

#include "core/base/check.h"

namespace rtdetr {

namespace {

using Sizes = std::vector<std::int64_t>;

Sizes row_major(const Sizes& shape) {
  Sizes strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Of [B, C, H, W] with the channels last.
Sizes channels_last(const Sizes& shape, std::int64_t pixel_stride) {
  return {shape[2] * shape[3] * pixel_stride, 1, shape[3] * pixel_stride, pixel_stride};
}

/// Axes of size 1 may have any stride.
bool same_place(const EngineView& a, const EngineView& b) {
  if (a.buffer != b.buffer || a.offset != b.offset || a.shape != b.shape) return false;
  for (std::size_t i = 0; i < a.shape.size(); ++i) {
    if (a.shape[i] != 1 && a.strides[i] != b.strides[i]) return false;
  }
  return true;
}

bool is_map_operator(const std::string& op) {
  return op == "Conv" || op == "MaxPool" || op == "AveragePool" || op == "Resize" || op == "Pad";
}

/// Whether all that an operator does is to say where its result lies in its input.
bool is_view_operator(const std::string& op) {
  return op == "Reshape" || op == "Transpose" || op == "Unsqueeze" || op == "Identity" || op == "Split";
}

EngineView narrowed(EngineView view, std::size_t axis, std::int64_t start, std::int64_t length) {
  view.offset += start * view.strides[axis];
  view.shape[axis] = length;
  return view;
}

std::size_t axis_of(const EngineNode& node, const EngineView& view) {
  const std::int64_t axis = node.integer("axis");
  return static_cast<std::size_t>(axis < 0 ? axis + view.rank() : axis);
}

/// Output `k` of a view operator inside its input; nothing if it cannot be had without moving numbers.
std::optional<EngineView> view_of(const EngineGraph& graph, const EngineNode& node, std::size_t k,
                                  const EngineView& in) {
  const Sizes& shape = graph.value(node.outputs[k]).shape;
  EngineView view = in;
  if (node.op == "Transpose") {
    const Sizes order = node.integers("perm");
    for (std::size_t i = 0; i < order.size(); ++i) {
      view.shape[i] = in.size(order[i]);
      view.strides[i] = in.stride(order[i]);
    }
    return view;
  }
  if (node.op == "Split") {
    const std::size_t axis = axis_of(node, in);
    std::int64_t start = 0;
    for (std::size_t before = 0; before < k; ++before) start += graph.value(node.outputs[before]).shape[axis];
    return narrowed(in, axis, start, shape[axis]);
  }
  const auto strides = at::detail::computeStride(in.shape, in.strides, shape);
  if (!strides) return std::nullopt;
  view.shape = shape;
  view.strides = *strides;
  return view;
}

class LayoutPlanner {
 public:
  explicit LayoutPlanner(const EngineGraph& graph)
      : graph_(graph), producers_(graph.producers()), views_(graph.values.size()), placed_(graph.values.size()) {}

  EngineLayout plan() {
    for (std::size_t k = graph_.nodes.size(); k-- > 0;) {
      if (graph_.nodes[k].op == "Concat") place_parts(graph_.nodes[k]);
    }
    for (const EngineNode& node : graph_.nodes) add(node);
    for (const EngineGraph::Layer& layer : graph_.layers)
      layout_.layers.push_back({output(layer.logits), output(layer.boxes)});
    layout_.tokens = output(graph_.tokens);
    return std::move(layout_);
  }

 private:
  std::optional<EngineView>& placed(int value) { return placed_[static_cast<std::size_t>(value)]; }
  int new_buffer(const EngineBuffer& buffer) {
    layout_.buffers.push_back(buffer);
    return static_cast<int>(layout_.buffers.size()) - 1;
  }
  EngineView new_view(const EngineValue& value, Sizes strides) {
    return {new_buffer({value.elements(), value.type, {}}), 0, value.shape, std::move(strides)};
  }
  EngineView output(int value) {
    if (value < 0) return {};
    const EngineView view = view_of_input(value);
    layout_.buffers[static_cast<std::size_t>(view.buffer)].is_output = true;
    return view;
  }

  const EngineView& view_of_input(int value);
  Sizes strides_of_output(const EngineNode& node, const EngineValue& value);
  bool is_map(int value) const;
  void place_parts(const EngineNode& concat);
  void place(int value, const EngineView& target);
  EngineView whole_of(int value);
  void add(const EngineNode& node);
  void add_view(const EngineNode& node);
  void add_concat(const EngineNode& node);
  void add_copy(const std::string& name, const EngineView& from, const EngineView& to) {
    layout_.operations.push_back({{"Copy", name, {}, {}, {}}, {from}, {to}, {}});
  }

  const EngineGraph& graph_;
  std::vector<int> producers_;
  std::vector<EngineView> views_;                  ///< where values lie, as far as is known
  std::vector<std::optional<EngineView>> placed_;  ///< where values have to be put
  EngineLayout layout_;
};

/// Whether a value is computed as a map, with the channels last.
bool LayoutPlanner::is_map(int value) const {
  if (graph_.value(value).shape.size() != 4 || graph_.is_constant(value)) return false;
  if (value == graph_.images) return true;
  const EngineNode& node = graph_.nodes[static_cast<std::size_t>(producers_[static_cast<std::size_t>(value)])];
  if (is_map_operator(node.op)) return true;
  if (node.op == "Reshape") {  // tokens that are a map again
    const Sizes &in = graph_.value(node.inputs.front()).shape, &out = graph_.value(value).shape;
    return in.size() == 3 && in[1] == out[1] && in[2] == out[2] * out[3];
  }
  return std::ranges::any_of(node.inputs, [&](int input) { return input >= 0 && is_map(input); });
}

/// Where a concatenation, or another value that was asked for, is to be computed.
EngineView LayoutPlanner::whole_of(int value) {
  if (placed(value)) return *placed(value);
  const EngineValue& v = graph_.value(value);
  placed(value) = new_view(v, is_map(value) ? channels_last(v.shape, v.shape[1]) : row_major(v.shape));
  return *placed(value);
}

void LayoutPlanner::place_parts(const EngineNode& concat) {
  const EngineView whole = whole_of(concat.outputs.front());
  const std::size_t axis = axis_of(concat, whole);
  std::int64_t start = 0;
  for (const int part : concat.inputs) {
    const std::int64_t length = graph_.value(part).shape[axis];
    place(part, narrowed(whole, axis, start, length));
    start += length;
  }
}

/// Lets the operation behind `value` write to `target`, if it can; else it is copied there (add_concat).
void LayoutPlanner::place(int value, const EngineView& target) {
  std::vector<std::pair<const EngineNode*, std::size_t>> chain;  // view operators between the operation and the value
  int root = value;
  for (;;) {
    const int producer = producers_[static_cast<std::size_t>(root)];
    if (producer < 0) return;  // the picture, or a constant
    const EngineNode& node = graph_.nodes[static_cast<std::size_t>(producer)];
    if (!is_view_operator(node.op)) break;
    if (node.op == "Split") return;
    chain.emplace_back(&node, 0);
    root = node.inputs.front();
  }
  if (placed(root)) return;
  const EngineValue& v = graph_.value(root);
  EngineView candidate{target.buffer, target.offset, v.shape, {}};
  if (is_map(root))
    candidate.strides = channels_last(v.shape, target.rank() == 4 ? target.stride(3) : target.stride(1));
  else if (v.shape == target.shape)
    candidate.strides = target.strides;
  else
    return;
  EngineView reached = candidate;
  for (std::size_t k = chain.size(); k-- > 0;) {
    const auto next = view_of(graph_, *chain[k].first, chain[k].second, reached);
    if (!next) return;
    reached = *next;
  }
  if (same_place(reached, target)) placed(root) = candidate;
}

const EngineView& LayoutPlanner::view_of_input(int value) {
  EngineView& view = views_[static_cast<std::size_t>(value)];
  if (view.buffer >= 0) return view;
  const EngineValue& v = graph_.value(value);
  RTDETR_CHECK(v.constant.defined() || value == graph_.images, "the engine reads '" + v.name + "' before it is there");
  if (value == graph_.images) {
    view = new_view(v, channels_last(v.shape, v.shape[1]));
    layout_.buffers.back().is_images = true;
    return view;
  }
  view = {new_buffer({v.elements(), v.type, v.constant}), 0, v.shape, row_major(v.shape)};
  return view;
}

Sizes LayoutPlanner::strides_of_output(const EngineNode& node, const EngineValue& value) {
  return is_map(node.outputs.front()) ? channels_last(value.shape, value.shape[1]) : row_major(value.shape);
}

void LayoutPlanner::add_view(const EngineNode& node) {
  const EngineView in = view_of_input(node.inputs.front());
  for (std::size_t k = 0; k < node.outputs.size(); ++k) {
    const auto view = view_of(graph_, node, k, in);
    if (view) {
      views_[static_cast<std::size_t>(node.outputs[k])] = *view;
      continue;
    }
    const EngineView copy = new_view(graph_.value(node.inputs.front()), row_major(in.shape));
    add_copy(node.name, in, copy);
    views_[static_cast<std::size_t>(node.outputs[k])] = view_of(graph_, node, k, copy).value();
  }
}

void LayoutPlanner::add_concat(const EngineNode& node) {
  const EngineView whole = whole_of(node.outputs.front());
  const std::size_t axis = axis_of(node, whole);
  std::int64_t start = 0;
  for (const int part : node.inputs) {
    const EngineView there = view_of_input(part);
    const EngineView wanted = narrowed(whole, axis, start, there.shape[axis]);
    if (!same_place(there, wanted)) add_copy(node.name, there, wanted);
    start += there.shape[axis];
  }
  views_[static_cast<std::size_t>(node.outputs.front())] = whole;
}

void LayoutPlanner::add(const EngineNode& node) {
  if (node.op == "Concat") return add_concat(node);
  if (is_view_operator(node.op)) return add_view(node);
  EngineOperation operation{node, {}, {}, {}};
  for (const int input : node.inputs) operation.inputs.push_back(input < 0 ? EngineView() : view_of_input(input));
  if (node.residual >= 0) operation.residual = view_of_input(node.residual);
  for (const int output : node.outputs) {
    const EngineValue& value = graph_.value(output);
    const EngineView view = placed(output) ? *placed(output) : new_view(value, strides_of_output(node, value));
    views_[static_cast<std::size_t>(output)] = view;
    operation.outputs.push_back(view);
  }
  layout_.operations.push_back(std::move(operation));
}

}  // namespace

/// A map is one, too, if its channels are the innermost axis and its rows of pixels follow each other.
bool EngineView::is_rows() const {
  if (rank() == 0) return false;
  if (rank() == 4 && stride(1) == 1 && size(1) > 0)
    return (size(2) == 1 || stride(2) == size(3) * stride(3)) &&
           (size(0) == 1 || stride(0) == size(2) * size(3) * stride(3));
  if (stride(-1) != 1 && size(-1) != 1) return false;
  std::int64_t expected = 0;
  for (std::int64_t axis = rank() - 2; axis >= 0; --axis) {
    if (size(axis) == 1) continue;
    if (expected != 0 && stride(axis) != expected) return false;
    expected = (expected == 0 ? stride(axis) : expected) * size(axis);
  }
  return true;
}

std::int64_t EngineView::row_length() const { return rank() == 4 && stride(1) == 1 ? size(1) : size(-1); }

std::int64_t EngineView::rows() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product / row_length();
}

std::int64_t EngineView::row_stride() const {
  if (rank() == 4 && stride(1) == 1) return stride(3);
  for (std::int64_t axis = rank() - 2; axis >= 0; --axis) {
    if (size(axis) != 1) return stride(axis);
  }
  return row_length();
}

EngineLayout plan_layout(const EngineGraph& graph) { return LayoutPlanner(graph).plan(); }

}  // namespace rtdetr
