#include "models/onnx/onnx_ops.h"

#include <algorithm>
#include <cmath>

#include <torch/types.h>

#include "core/base/check.h"

namespace rtdetr::onnx {

namespace {

using Shape = std::vector<std::int64_t>;

bool is_free(std::int64_t size) { return size == OnnxValue::kFree; }

/// What `change` makes of a size, if that is known.
template <typename Change>
std::int64_t changed(std::int64_t size, const Change& change) {
  return is_free(size) ? size : change(size);
}

/// Of two sizes on one axis, 1 gives way.
std::int64_t joined_size(std::int64_t a, std::int64_t b) {
  RTDETR_CHECK(a == b || a == 1 || b == 1, "sizes " + std::to_string(a) + " and " + std::to_string(b) + " do not fit");
  return a == 1 ? b : a;
}

Shape joined_shape(const Shape& a, const Shape& b) {
  const Shape &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Shape shape = longer;
  const std::size_t front = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) shape[front + i] = joined_size(longer[front + i], shorter[i]);
  return shape;
}

OnnxValue elementwise(OnnxBuilder& graph, const std::string& op, const OnnxValue& a, const OnnxValue& b) {
  RTDETR_CHECK(a.type == b.type, op + " of two types: " + a.name + ", " + b.name);
  return graph.node(op, {a, b}, {joined_shape(a.shape, b.shape), a.type});
}

OnnxValue compared(OnnxBuilder& graph, const std::string& op, const OnnxValue& a, const OnnxValue& b) {
  RTDETR_CHECK(a.type == b.type, op + " of two types: " + a.name + ", " + b.name);
  return graph.node(op, {a, b}, {joined_shape(a.shape, b.shape), OnnxType::kBool});
}

std::int64_t window_cells(std::int64_t size, const OnnxWindow& window, std::int64_t padding) {
  return changed(size, [&](std::int64_t cells) {
    return (cells + padding - window.dilation * (window.kernel - 1) - 1) / window.stride + 1;
  });
}

Shape window_shape(const OnnxValue& x, std::int64_t channels, const OnnxWindow& w) {
  return {x.size(0), channels, window_cells(x.size(2), w, w.padding[0] + w.padding[2]),
          window_cells(x.size(3), w, w.padding[1] + w.padding[3])};
}

OnnxAttributes window_attributes(const OnnxWindow& w) {
  OnnxAttributes attributes = {{"kernel_shape", Shape{w.kernel, w.kernel}},
                               {"strides", Shape{w.stride, w.stride}},
                               {"pads", Shape(w.padding.begin(), w.padding.end())}};
  if (w.dilation != 1) attributes["dilations"] = Shape{w.dilation, w.dilation};
  return attributes;
}

std::int64_t from_front(const OnnxValue& x, std::int64_t axis) { return axis < 0 ? axis + x.rank() : axis; }

/// The elements of a shape; kBatch if the batch is among them, else kFree if a free size is.
std::int64_t elements(const Shape& shape) {
  for (const std::int64_t open : {OnnxValue::kBatch, OnnxValue::kFree})
    if (std::ranges::count(shape, open) > 0) return open;
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

/// Whether two values may be joined along an axis: they differ in nothing but its size.
bool join(const OnnxValue& a, const OnnxValue& b, std::size_t along) {
  if (a.type != b.type || a.rank() != b.rank()) return false;
  Shape other = b.shape;
  other.at(along) = a.shape.at(along);
  return other == a.shape;
}

/// What Reshape makes of `x`: sizes that 0 copies leave both sides, and -1 is the quotient of the rest.
Shape reshaped(const OnnxValue& x, const Shape& target) {
  Shape shape = target, left = x.shape;
  Shape others;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0) {
      shape[i] = x.shape.at(i);
      left[i] = 1;
    } else if (target[i] > 0) {
      others.push_back(target[i]);
    }
  }
  const std::int64_t wanted = elements(others), present = elements(left);
  const auto open = std::ranges::find(target, -1);
  if (open == target.end()) {
    RTDETR_CHECK(wanted == present, x.name + " does not have the elements to be reshaped");
  } else {
    RTDETR_CHECK(present < 0 || present % wanted == 0, x.name + " cannot be reshaped");
    shape[static_cast<std::size_t>(open - target.begin())] = present < 0 ? present : present / wanted;
  }
  return shape;
}

}  // namespace

OnnxValue add(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Add", a, b); }
OnnxValue sub(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Sub", a, b); }
OnnxValue mul(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Mul", a, b); }
OnnxValue div(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Div", a, b); }
OnnxValue max(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Max", a, b); }
OnnxValue min(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return elementwise(graph, "Min", a, b); }

OnnxValue equal(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return compared(graph, "Equal", a, b); }
OnnxValue greater(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) {
  return compared(graph, "Greater", a, b);
}
OnnxValue less(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) { return compared(graph, "Less", a, b); }

OnnxValue unary(OnnxBuilder& graph, const std::string& op, const OnnxValue& x, OnnxAttributes attributes) {
  return graph.node(op, {x}, {x.shape, x.type}, std::move(attributes));
}

OnnxValue softmax(OnnxBuilder& graph, const OnnxValue& x) {
  return unary(graph, "Softmax", x, {{"axis", std::int64_t{-1}}});
}

OnnxValue clip(OnnxBuilder& graph, const OnnxValue& x, double low, double high) {
  return graph.node("Clip", {x, graph.number(low), graph.number(high)}, {x.shape, x.type});
}

OnnxValue cast(OnnxBuilder& graph, const OnnxValue& x, OnnxType type) {
  if (x.type == type) return x;
  return graph.node("Cast", {x}, {x.shape, type}, {{"to", static_cast<std::int64_t>(type)}});
}

OnnxValue conv(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias,
               const OnnxWindow& window, std::int64_t groups) {
  OnnxAttributes attributes = window_attributes(window);
  attributes["group"] = groups;
  return graph.node("Conv", {x, graph.constant("weight", weight), graph.constant("bias", bias)},
                    {window_shape(x, weight.size(0), window), x.type}, std::move(attributes));
}

OnnxValue max_pool(OnnxBuilder& graph, const OnnxValue& x, const OnnxWindow& window) {
  return graph.node("MaxPool", {x}, {window_shape(x, x.size(1), window), x.type}, window_attributes(window));
}

OnnxValue average_pool(OnnxBuilder& graph, const OnnxValue& x, const OnnxWindow& window) {
  OnnxAttributes attributes = window_attributes(window);
  attributes["count_include_pad"] = std::int64_t{1};
  return graph.node("AveragePool", {x}, {window_shape(x, x.size(1), window), x.type}, std::move(attributes));
}

OnnxValue global_mean(OnnxBuilder& graph, const OnnxValue& x) {
  return graph.node("GlobalAveragePool", {x}, {{x.size(0), x.size(1), 1, 1}, x.type});
}

OnnxValue halve(OnnxBuilder& graph, const OnnxValue& x) {
  const std::int64_t height = x.size(2), width = x.size(3);
  const auto half = [](std::int64_t size) { return (size + 1) / 2; };
  OnnxAttributes attributes = {{"kernel_shape", Shape{2, 2}}, {"strides", Shape{2, 2}}};
  const bool may_be_odd = is_free(height) || height % 2 || width % 2;
  if (may_be_odd) attributes["ceil_mode"] = std::int64_t{1};
  const Shape shape = {x.size(0), x.size(1), changed(height, half), changed(width, half)};
  return graph.node("AveragePool", {x}, {shape, x.type}, std::move(attributes));
}

OnnxValue upsample(OnnxBuilder& graph, const OnnxValue& x, std::int64_t factor) {
  // Scales are float32 whatever the graph's type is.
  const float scale = static_cast<float>(factor);
  const OnnxValue scales = graph.float32_constant("scales", torch::tensor({1.0F, 1.0F, scale, scale}));
  const auto enlarged = [&](std::int64_t axis) {
    return changed(x.size(axis), [&](auto size) { return size * factor; });
  };
  return graph.node("Resize", {x, OnnxValue(), scales}, {{x.size(0), x.size(1), enlarged(2), enlarged(3)}, x.type},
                    {{"mode", std::string("nearest")},
                     {"coordinate_transformation_mode", std::string("asymmetric")},
                     {"nearest_mode", std::string("floor")}});
}

OnnxValue pad_right_bottom(OnnxBuilder& graph, const OnnxValue& x) {
  const auto padded = [&](std::int64_t axis) { return changed(x.size(axis), [](auto size) { return size + 1; }); };
  return graph.node("Pad", {x, graph.integers({0, 0, 0, 0, 0, 0, 1, 1})},
                    {{x.size(0), x.size(1), padded(2), padded(3)}, x.type});
}

OnnxValue matmul(OnnxBuilder& graph, const OnnxValue& a, const OnnxValue& b) {
  RTDETR_CHECK(a.rank() >= 2 && b.rank() >= 2 && a.size(-1) == b.size(-2), a.name + " and " + b.name + " do not fit");
  RTDETR_CHECK(a.type == b.type, "MatMul of two types: " + a.name + ", " + b.name);
  const Shape rows(a.shape.begin(), a.shape.end() - 2), columns(b.shape.begin(), b.shape.end() - 2);
  Shape shape = joined_shape(rows, columns);
  shape.insert(shape.end(), {a.size(-2), b.size(-1)});
  return graph.node("MatMul", {a, b}, {shape, a.type});
}

OnnxValue linear(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias) {
  if (graph.native()) {
    std::vector<std::int64_t> shape = x.shape;
    shape.back() = weight.size(0);
    return graph.node("Linear", {x, graph.constant("weight", weight), graph.constant("bias", bias)}, {shape, x.type});
  }
  const OnnxValue product = matmul(graph, x, graph.constant("weight", weight.t()));
  return add(graph, product, graph.constant("bias", bias));
}

OnnxValue layer_norm(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     double eps) {
  return graph.node("LayerNormalization", {x, graph.constant("weight", weight), graph.constant("bias", bias)},
                    {x.shape, x.type}, {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(eps)}});
}

namespace {

/// [..., 1] of the last axis.
OnnxValue mean(OnnxBuilder& graph, const OnnxValue& x) {
  Shape one_each = x.shape;
  one_each.back() = 1;
  return graph.node("ReduceMean", {x}, {one_each, x.type}, {{"axes", Shape{-1}}, {"keepdims", std::int64_t{1}}});
}

/// x / √(mean(x²) + eps) of the last axis, of the graph's precise type as `x` is.
OnnxValue of_unit_length(OnnxBuilder& graph, const OnnxValue& x, double eps) {
  const OnnxValue least = graph.precise_constant("eps", torch::scalar_tensor(eps, torch::kDouble));
  return div(graph, x, unary(graph, "Sqrt", add(graph, mean(graph, mul(graph, x, x)), least)));
}

}  // namespace

OnnxValue group_norm(OnnxBuilder& graph, const OnnxValue& x, std::int64_t groups, const torch::Tensor& scale,
                     const torch::Tensor& shift, double eps) {
  const OnnxValue rows = cast(graph, reshape(graph, x, {0, groups, -1}), graph.precise_type());
  const OnnxValue normed = of_unit_length(graph, sub(graph, rows, mean(graph, rows)), eps);
  const OnnxValue map = cast(graph, reshape(graph, normed, {0, x.size(1), x.size(2), x.size(3)}), x.type);
  const auto of_channels = [&](const torch::Tensor& numbers) { return numbers.view({-1, 1, 1}); };
  return add(graph, mul(graph, map, graph.constant("weight", of_channels(scale))),
             graph.constant("bias", of_channels(shift)));
}

OnnxValue rms_norm(OnnxBuilder& graph, const OnnxValue& x, const torch::Tensor& scale, double eps) {
  const OnnxAttributes attributes = {{"epsilon", static_cast<float>(eps)}};
  if (graph.native())
    return graph.node("RmsNormalization", {x, graph.constant("scale", scale)}, {x.shape, x.type}, attributes);
  const OnnxValue normed = of_unit_length(graph, cast(graph, x, graph.precise_type()), eps);
  return mul(graph, cast(graph, normed, x.type), graph.constant("scale", scale));
}

OnnxValue gelu(OnnxBuilder& graph, const OnnxValue& x) {
  if (graph.native()) return unary(graph, "Gelu", x);
  const OnnxValue scaled = div(graph, x, graph.number(std::sqrt(2.0)));
  const OnnxValue raised = add(graph, unary(graph, "Erf", scaled), graph.number(1));
  // Halved first: twice x may be more than float16 holds.
  return mul(graph, mul(graph, x, graph.number(0.5)), raised);
}

OnnxValue reshape(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& target) {
  return graph.node("Reshape", {x, graph.integers(target)}, {reshaped(x, target), x.type});
}

OnnxValue transpose(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& order) {
  Shape shape;
  for (const std::int64_t axis : order) shape.push_back(x.size(axis));
  return graph.node("Transpose", {x}, {shape, x.type}, {{"perm", order}});
}

OnnxValue concat(OnnxBuilder& graph, const std::vector<OnnxValue>& parts, std::int64_t axis) {
  const OnnxValue& first = parts.front();
  Shape shape = first.shape;
  const auto along = static_cast<std::size_t>(from_front(first, axis));
  shape.at(along) = 0;
  for (const OnnxValue& part : parts) {
    RTDETR_CHECK(join(first, part, along), first.name + " and " + part.name + " differ in more than the axis to join");
    const std::int64_t size = part.shape[along];
    shape[along] = is_free(size) ? size : changed(shape[along], [&](auto sum) { return sum + size; });
  }
  return graph.node("Concat", parts, {shape, first.type}, {{"axis", axis}});
}

std::vector<OnnxValue> split(OnnxBuilder& graph, const OnnxValue& x, const std::vector<std::int64_t>& sizes,
                             std::int64_t axis) {
  std::vector<OnnxResult> results(sizes.size(), OnnxResult{x.shape, x.type});
  const auto along = static_cast<std::size_t>(from_front(x, axis));
  for (std::size_t k = 0; k < sizes.size(); ++k) results[k].shape.at(along) = sizes[k];
  return graph.node("Split", {x, graph.integers(sizes)}, std::move(results), {{"axis", axis}});
}

OnnxValue unsqueeze(OnnxBuilder& graph, const OnnxValue& x, std::int64_t axis) {
  Shape shape = x.shape;
  shape.insert(shape.begin() + (axis < 0 ? axis + x.rank() + 1 : axis), 1);
  return graph.node("Unsqueeze", {x, graph.integers({axis})}, {shape, x.type});
}

OnnxValue gather(OnnxBuilder& graph, const OnnxValue& data, const OnnxValue& indices, std::int64_t axis) {
  const std::int64_t along = from_front(data, axis);
  Shape shape(data.shape.begin(), data.shape.begin() + along);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), data.shape.begin() + along + 1, data.shape.end());
  return graph.node("Gather", {data, indices}, {shape, data.type}, {{"axis", axis}});
}

OnnxValue gather_rows(OnnxBuilder& graph, const OnnxValue& data, const OnnxValue& indices) {
  Shape shape = indices.shape;
  shape.insert(shape.end(), data.shape.begin() + 2, data.shape.end());
  return graph.node("GatherND", {data, unsqueeze(graph, indices, -1)}, {shape, data.type},
                    {{"batch_dims", std::int64_t{1}}});
}

OnnxValue reduce_max(OnnxBuilder& graph, const OnnxValue& x) {
  return graph.node("ReduceMax", {x}, {Shape(x.shape.begin(), x.shape.end() - 1), x.type},
                    {{"axes", Shape{-1}}, {"keepdims", std::int64_t{0}}});
}

OnnxTopK top_k(OnnxBuilder& graph, const OnnxValue& x, std::int64_t k) {
  Shape shape = x.shape;
  shape.back() = k;
  auto results = graph.node("TopK", {x, graph.integers({k})}, {OnnxResult{shape, x.type}, {shape, OnnxType::kInt64}},
                            {{"axis", std::int64_t{-1}}});
  return {std::move(results[0]), std::move(results[1])};
}

OnnxValue batch_numbers(OnnxBuilder& graph, const OnnxValue& x) {
  const OnnxValue sizes = graph.node("Shape", {x}, {{x.rank()}, OnnxType::kInt64});
  const OnnxValue batch = gather(graph, sizes, graph.integer(0));
  return graph.node("Range", {graph.integer(0), batch, graph.integer(1)}, {{x.size(0)}, OnnxType::kInt64});
}

}  // namespace rtdetr::onnx
