// Convolutions, windows, products and normalisation.
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using Values = std::vector<Tensor>;
using Integers = std::vector<std::int64_t>;

/// Attributes that convolutions and pools share, of a map [N, C, H, W].
struct Windows {
  Integers kernel, stride, dilation, begin, end;

  Windows(const OnnxCall& call, const Integers& kernel_shape) : kernel(kernel_shape) {
    call.check(call.input(0).dim() == 4 && kernel.size() == 2, "is known for maps [N, C, H, W] only");
    call.check(call.text("auto_pad", "NOTSET") == "NOTSET", "auto_pad is not known");
    stride = call.integers("strides", {1, 1});
    dilation = call.integers("dilations", {1, 1});
    const Integers pads = call.integers("pads", {0, 0, 0, 0});
    call.check(stride.size() == 2 && dilation.size() == 2 && pads.size() == 4, "has attributes of another rank");
    const auto from = [&](std::int64_t least, const Integers& values) {
      return std::all_of(values.begin(), values.end(), [&](std::int64_t value) { return value >= least; });
    };
    call.check(from(1, kernel) && from(1, stride) && from(1, dilation), "has an empty kernel, or strides of nothing");
    call.check(from(0, pads), "has pads below 0");
    begin = {pads[0], pads[1]};
    end = {pads[2], pads[3]};
  }

  std::int64_t extent(int axis) const { return (kernel[axis] - 1) * dilation[axis] + 1; }

  /// How many cells lie behind the padded axis for the last window; with `ceil_mode` a window may reach out, but begins
  /// in the map or in the padding in front of it.
  std::int64_t overhang(std::int64_t size, int axis, bool ceil_mode) const {
    if (!ceil_mode) return 0;
    const auto steps = size + begin[axis] + end[axis] - extent(axis);
    auto last = (steps + stride[axis] - 1) / stride[axis];  // window
    if (last * stride[axis] >= size + begin[axis]) --last;
    return std::max<std::int64_t>(last * stride[axis] + extent(axis) - (size + begin[axis] + end[axis]), 0);
  }

  /// `map` with `value` in the padding and `outside` behind it.
  Tensor padded(const Tensor& map, bool ceil_mode, double value, double outside) const {
    const Tensor inner = torch::constant_pad_nd(map, {begin[1], end[1], begin[0], end[0]}, value);
    return torch::constant_pad_nd(
        inner, {0, overhang(map.size(3), 1, ceil_mode), 0, overhang(map.size(2), 0, ceil_mode)}, outside);
  }
};

/// Products of half types are added up in float32 and rounded once, as engines do; LibTorch's own take a CPU many times
/// as long.
torch::ScalarType type_of_sums(const Tensor& x) {
  const bool half = x.scalar_type() == torch::kFloat16 || x.scalar_type() == torch::kBFloat16;
  return half ? torch::kFloat32 : x.scalar_type();
}

Values onnx_conv(const OnnxCall& call) {
  call.check_one_type();
  const Tensor &x = call.input(0), &weight = call.input(1);
  call.check(weight.dim() == 4, "is known for kernels [out, in, h, w] only");
  const Integers kernel{weight.size(2), weight.size(3)};
  call.check(call.integers("kernel_shape", kernel) == kernel, "kernel_shape is not the kernel's");
  const Windows windows(call, kernel);
  const auto sums = type_of_sums(x);
  const std::optional<Tensor> bias = call.has(2) ? std::optional(call.input(2).to(sums)) : std::nullopt;
  return {torch::convolution(windows.padded(x.to(sums), false, 0, 0), weight.to(sums), bias, windows.stride, {0, 0},
                             windows.dilation, /*transposed=*/false, {0, 0}, call.integer("group", 1))
              .to(x.scalar_type())};
}

Values onnx_max_pool(const OnnxCall& call) {
  const Windows windows(call, call.integers("kernel_shape", {}));
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const Tensor map = windows.padded(call.input(0), call.integer("ceil_mode", 0) != 0, kNone, kNone);
  return {torch::max_pool2d(map, windows.kernel, windows.stride, 0, windows.dilation)};
}

/// The mean of the cells that a window has in the map; with `count_include_pad` of those in the padding too.
Values onnx_average_pool(const OnnxCall& call) {
  const Tensor& x = call.floating(0);
  const Windows windows(call, call.integers("kernel_shape", {}));
  const bool ceil_mode = call.integer("ceil_mode", 0) != 0, count_padding = call.integer("count_include_pad", 0) != 0;
  const auto mean = [&](const Tensor& padded) { return torch::avg_pool2d(padded, windows.kernel, windows.stride); };
  const Tensor ones = torch::ones({1, 1, x.size(2), x.size(3)}, x.options());
  return {mean(windows.padded(x, ceil_mode, 0, 0)) / mean(windows.padded(ones, ceil_mode, count_padding ? 1 : 0, 0))};
}

Values onnx_global_average_pool(const OnnxCall& call) {
  call.check(call.floating(0).dim() == 4, "is known for maps [N, C, H, W] only");
  return {call.input(0).mean({2, 3}, /*keepdim=*/true)};
}

Values onnx_mat_mul(const OnnxCall& call) {
  call.check_one_type();
  const Tensor& a = call.input(0);
  const auto sums = type_of_sums(a);
  return {torch::matmul(a.to(sums), call.input(1).to(sums)).to(a.scalar_type())};
}

Values onnx_softmax(const OnnxCall& call) {
  return {call.input(0).softmax(call.axis("axis", -1, call.input(0).dim()))};
}

/// Half types are computed in float32 (stash_type 1).
Values onnx_layer_normalization(const OnnxCall& call) {
  call.check_one_type();
  call.check(call.outputs() == 1, "mean and deviation are not given");
  call.check(call.integer("stash_type", 1) == 1, "only stash_type 1 is known");
  const Tensor& x = call.input(0);
  const auto type = x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto axis = call.axis("axis", -1, x.dim());
  const Tensor scale = call.input(1).to(type), bias = call.has(2) ? call.input(2).to(type) : torch::zeros_like(scale);
  return {torch::layer_norm(x.to(type), x.sizes().slice(axis), scale, bias, call.number("epsilon", 1e-5))
              .to(x.scalar_type())};
}

/// Cell i of the result is cell floor(i / scale).
Values onnx_resize(const OnnxCall& call) {
  const bool known = call.text("mode", "nearest") == "nearest" && call.text("nearest_mode", "") == "floor" &&
                     call.text("coordinate_transformation_mode", "") == "asymmetric";
  call.check(known, "only mode nearest, asymmetric, floor is known");
  call.check(call.has(2) != call.has(3), "needs either scales or sizes");
  Tensor x = call.input(0);
  const auto factors = call.input(call.has(2) ? 2 : 3).to(torch::kFloat64).cpu();
  call.check(factors.numel() == x.dim(), "needs a scale or a size for every axis");
  for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
    const auto size = static_cast<double>(x.size(axis)), given = factors[axis].item<double>();
    const double scale = call.has(2) ? given : given / size;
    const auto length = static_cast<std::int64_t>(call.has(2) ? std::floor(size * scale) : given);
    const Tensor cells = (torch::arange(length, torch::kFloat64) / scale).floor().clamp(0, size - 1).to(torch::kInt64);
    if (length != x.size(axis) || scale != 1) x = x.index_select(axis, cells.to(x.device()));
  }
  return {x};
}

Values onnx_grid_sample(const OnnxCall& call) {
  call.check(call.input(0).dim() == 4 && call.input(1).dim() == 4, "is known for maps [N, C, H, W] only");
  const std::string mode = call.text("mode", "bilinear"), padding = call.text("padding_mode", "zeros");
  call.check(mode == "bilinear" || mode == "nearest", "mode " + mode + " is not known");
  call.check(padding == "zeros" || padding == "border", "padding_mode " + padding + " is not known");
  return {torch::grid_sampler_2d(call.input(0), call.input(1), mode == "bilinear" ? 0 : 1, padding == "zeros" ? 0 : 1,
                                 call.integer("align_corners", 0) != 0)};
}

}  // namespace

const std::vector<OnnxOperator>& layer_operators() {
  static const std::vector<OnnxOperator> kTable = {
      {"AveragePool",
       1,
       1,
       {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"},
       onnx_average_pool},
      {"Conv", 2, 3, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}, onnx_conv},
      {"GlobalAveragePool", 1, 1, {}, onnx_global_average_pool},
      {"GridSample", 2, 2, {"align_corners", "mode", "padding_mode"}, onnx_grid_sample},
      {"LayerNormalization", 2, 3, {"axis", "epsilon", "stash_type"}, onnx_layer_normalization},
      {"MatMul", 2, 2, {}, onnx_mat_mul},
      {"MaxPool", 1, 1, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"}, onnx_max_pool},
      {"Resize", 1, 4, {"coordinate_transformation_mode", "mode", "nearest_mode"}, onnx_resize},
      {"Softmax", 1, 1, {"axis"}, onnx_softmax},
  };
  return kTable;
}

}  // namespace rtdetr
