// What moves values or tells shapes, and computes nothing.
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using Values = std::vector<Tensor>;
using Integers = std::vector<std::int64_t>;

/// 0 keeps the input's axis (unless `allowzero`), -1 takes what is left.
Values onnx_reshape(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  Integers shape = call.integers(std::size_t{1});
  const bool zero_is_a_size = call.integer("allowzero", 0) != 0;
  for (std::size_t i = 0; i < shape.size() && !zero_is_a_size; ++i) {
    if (shape[i] != 0) continue;
    call.check(static_cast<std::int64_t>(i) < x.dim(), "the shape's 0 names an axis that the input lacks");
    shape[i] = x.size(static_cast<std::int64_t>(i));
  }
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  std::int64_t known = 1;
  for (const auto size : shape) known *= size == -1 ? 1 : size;
  if (unknown != shape.end()) {
    call.check(std::count(shape.begin(), shape.end(), -1) == 1, "the shape has more than one -1");
    call.check(known > 0 && x.numel() % known == 0, "the values do not fill the shape");
    *unknown = x.numel() / known;
  } else {
    call.check(known == x.numel(), "the values do not fill the shape");
  }
  return {x.reshape(shape)};
}

Values onnx_transpose(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  Integers order(x.dim());
  std::iota(order.rbegin(), order.rend(), 0);
  order = call.integers("perm", order);
  call.check(static_cast<std::int64_t>(order.size()) == x.dim(), "perm must name every axis");
  return {x.permute(order)};
}

/// Axes that count from the end do so in the rank `rank`; ascending, each once.
Integers ordered_axes(const OnnxCall& call, Integers axes, std::int64_t rank) {
  for (auto& axis : axes) {
    call.check(axis >= -rank && axis < rank, "an axis is outside the " + std::to_string(rank));
    if (axis < 0) axis += rank;
  }
  std::sort(axes.begin(), axes.end());
  call.check(std::adjacent_find(axes.begin(), axes.end()) == axes.end(), "an axis is named twice");
  return axes;
}

Values onnx_unsqueeze(const OnnxCall& call) {
  Tensor x = call.input(0);
  const Integers axes = call.integers(std::size_t{1});
  for (const auto axis : ordered_axes(call, axes, x.dim() + static_cast<std::int64_t>(axes.size())))
    x = x.unsqueeze(axis);
  return {x};
}

Values onnx_squeeze(const OnnxCall& call) {
  Tensor x = call.input(0);
  if (!call.has(1)) return {x.squeeze()};
  Integers axes = ordered_axes(call, call.integers(std::size_t{1}), x.dim());
  std::reverse(axes.begin(), axes.end());
  for (const auto axis : axes) {
    call.check(x.size(axis) == 1, "axis " + std::to_string(axis) + " is longer than 1");
    x = x.squeeze(axis);
  }
  return {x};
}

Values onnx_concat(const OnnxCall& call) {
  call.check_one_type();
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < call.count(); ++i) parts.push_back(call.input(i));
  call.required_integer("axis");
  const auto rank = parts.front().dim(), axis = call.axis("axis", 0, rank);
  for (const Tensor& part : parts) call.check(part.dim() == rank, "joins values of one rank");
  return {torch::cat(parts, axis)};
}

/// Without sizes: equal parts, one an output.
Values onnx_split(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  const auto axis = call.axis("axis", 0, x.dim()), count = static_cast<std::int64_t>(call.outputs());
  Integers sizes;
  if (call.has(1)) {
    sizes = call.integers(std::size_t{1});
  } else {
    call.check(x.size(axis) % count == 0, "the axis has no " + std::to_string(count) + " equal parts");
    sizes.assign(count, x.size(axis) / count);
  }
  const bool whole = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) == x.size(axis) &&
                     std::all_of(sizes.begin(), sizes.end(), [](auto size) { return size >= 0; });
  call.check(whole, "the parts do not make up the axis");
  call.check(static_cast<std::int64_t>(sizes.size()) == count, "has not one output for each part");
  return x.split_with_sizes(sizes, axis);
}

/// Ends count from the back where they are negative, and are brought into the axis. Steps are not known.
Values onnx_slice(const OnnxCall& call) {
  Tensor x = call.input(0);
  const Integers begins = call.integers(std::size_t{1}), ends = call.integers(std::size_t{2});
  Integers axes(begins.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (call.has(3)) axes = call.integers(std::size_t{3});
  call.check(ends.size() == begins.size() && axes.size() == begins.size(), "needs as many starts, ends and axes");
  ordered_axes(call, axes, x.dim());  // refuses what is no axis
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const auto size = x.size(axes[k]);
    const auto within = [&](std::int64_t place) {
      return std::clamp<std::int64_t>(place < 0 ? place + size : place, 0, size);
    };
    const auto begin = within(begins[k]);
    x = x.narrow(axes[k], begin, std::max<std::int64_t>(within(ends[k]) - begin, 0));
  }
  return {x};
}

Values onnx_shape(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  const auto within = [&](std::int64_t end) {
    return std::clamp<std::int64_t>(end < 0 ? end + x.dim() : end, 0, x.dim());
  };
  const auto start = within(call.integer("start", 0)), end = within(call.integer("end", x.dim()));
  const auto sizes = x.sizes();
  const Integers part = start < end ? Integers(sizes.begin() + start, sizes.begin() + end) : Integers{};
  return {torch::tensor(part, torch::kInt64).to(x.device())};
}

/// start, start + delta, … before limit.
Values onnx_range(const OnnxCall& call) {
  call.check_one_type();
  for (std::size_t i = 0; i < 3; ++i) call.check(call.input(i).dim() == 0, "takes scalars");
  const Tensor start = call.input(0), delta = call.input(2);
  const double step = delta.item<double>();
  call.check(step != 0, "the step is 0");
  const double count = std::ceil((call.input(1).item<double>() - start.item<double>()) / step);
  const auto length = static_cast<std::int64_t>(std::max(count, 0.0));
  return {torch::arange(length, start.options()) * delta + start};
}

/// Constant values around; a negative width cuts.
Values onnx_pad(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  call.check(call.text("mode", "constant") == "constant", "only mode constant is known");
  const Integers pads = call.integers(std::size_t{1});
  call.check(static_cast<std::int64_t>(pads.size()) == 2 * x.dim(), "pads must have two entries an axis");
  Integers inside_out;  // last axis first, as LibTorch wants it
  for (auto axis = x.dim() - 1; axis >= 0; --axis) {
    inside_out.push_back(pads[axis]);
    inside_out.push_back(pads[axis + x.dim()]);
  }
  const torch::Scalar value = call.has(2) ? call.input(2).item() : torch::Scalar(0);
  return {torch::constant_pad_nd(x, inside_out, value)};
}

}  // namespace

const std::vector<OnnxOperator>& shape_operators() {
  static const std::vector<OnnxOperator> kTable = {
      {"Concat", 1, kAnyNumber, {"axis"}, onnx_concat},
      {"Pad", 2, 3, {"mode"}, onnx_pad},
      {"Range", 3, 3, {}, onnx_range},
      {"Reshape", 2, 2, {"allowzero"}, onnx_reshape},
      {"Shape", 1, 1, {"start", "end"}, onnx_shape},
      {"Slice", 3, 4, {}, onnx_slice},
      {"Split", 1, 2, {"axis"}, onnx_split},
      {"Squeeze", 1, 2, {}, onnx_squeeze},
      {"Transpose", 1, 1, {"perm"}, onnx_transpose},
      {"Unsqueeze", 2, 2, {}, onnx_unsqueeze},
  };
  return kTable;
}

}  // namespace rtdetr
