#include "models/blocks/pyramid.h"

#include <torch/types.h>

#include "core/base/error.h"
#include "models/graph/row_arguments.h"
#include "models/onnx/onnx_map_size.h"

namespace rtdetr {

EnlargeImpl::EnlargeImpl(std::int64_t in, std::int64_t out) {
  weight = register_parameter("weight", new_weight({in, out, 2, 2}));
  bias = register_parameter("bias", new_weight({out}));
}

/// [2 · 2 · out, in]
Tensor EnlargeImpl::product() const { return weight.permute({2, 3, 1, 0}).reshape({4 * weight.size(1), -1}); }

Tensor EnlargeImpl::forward(const Tensor& cells) {
  const auto height = cells.size(1), width = cells.size(2), out = weight.size(1);
  const Tensor four = linear(cells, product(), bias.repeat({4}));  // [B, H, W, 2 · 2 · out]
  const Tensor apart = four.view({-1, height, width, 2, 2, out}).permute({0, 1, 3, 2, 4, 5});  // [B, H, 2, W, 2, out]
  return apart.reshape({-1, 2 * height, 2 * width, out});
}

OnnxValue EnlargeImpl::emit(OnnxBuilder& graph, const OnnxValue& cells) const {
  const std::int64_t height = cells.size(1), width = cells.size(2), out = weight.size(1);
  const OnnxValue four = onnx::linear(graph, cells, product(), bias.repeat({4}));
  const OnnxValue apart = onnx::reshape(graph, four, {0, height, width, 2, 2, out});
  return onnx::reshape(graph, onnx::transpose(graph, apart, {0, 1, 3, 2, 4, 5}), {0, 2 * height, 2 * width, out});
}

void EnlargeImpl::init_weights(const WeightDraws& draws) {
  draws.fan_in_uniform(weight, "weight");
  draws.bias_uniform(bias, weight, "bias");
}

PyramidLevelImpl::PyramidLevelImpl(std::int64_t in, std::int64_t out, PyramidScale scale) : scale_(scale) {
  const std::int64_t wide = add_resizing(in);
  const int place = scale == PyramidScale::kFourfold ? 4 : scale == PyramidScale::kSame ? 0 : 1;
  project_ = add_unit(std::to_string(place), {.in = wide, .out = out});
  smooth_ = add_unit(std::to_string(place + 1), {.in = out, .out = out, .kernel = 3, .padding = 1});
}

/// @return  channels behind it
std::int64_t PyramidLevelImpl::add_resizing(std::int64_t in) {
  if (scale_ != PyramidScale::kDouble && scale_ != PyramidScale::kFourfold) return in;
  first_ = register_module("0", Enlarge(in, in / 2));
  if (scale_ == PyramidScale::kDouble) return in / 2;
  between_ = register_module("1", LayerNorm(in / 2, kCellNormEps));
  second_ = register_module("3", Enlarge(in / 2, in / 4));
  return in / 4;
}

PyramidLevelImpl::Unit PyramidLevelImpl::add_unit(const std::string& name, const ConvolutionOptions& options) {
  Unit unit{Convolution(options), LayerNorm(options.out, kCellNormEps)};
  unit.conv->register_module("norm", unit.norm);
  register_module(name, unit.conv);
  return unit;
}

Tensor PyramidLevelImpl::forward(const Tensor& x) {
  Tensor cells = cells_of(scale_ == PyramidScale::kHalf ? torch::max_pool2d(x, 2, 2) : x);
  if (first_) cells = first_(cells);
  if (second_) cells = second_(activate(between_(cells), Activation::kGelu));
  return map_of(smooth_(project_(cells)));
}

OnnxValue PyramidLevelImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  if (graph.native()) throw ModelError("the CPU engine has no simple feature pyramid");
  if (onnx::is_free(x)) throw ModelError("has no ONNX form of free height and width; export without dynamic=true");
  OnnxValue cells = emit_cells_of(graph, scale_ == PyramidScale::kHalf ? onnx::max_pool(graph, x, {2, 2}) : x);
  if (first_) cells = graph.emit("0", first_, cells);
  if (second_) cells = graph.emit("3", second_, onnx::gelu(graph, graph.emit("1", between_, cells)));
  return emit_map_of(graph, graph.emit("smooth", &smooth_, graph.emit("project", &project_, cells)));
}

namespace {

PyramidScale scale_of(const RowContext& row) {
  const double scale = row.args.number("scale");
  if (scale == 4) return PyramidScale::kFourfold;
  if (scale == 2) return PyramidScale::kDouble;
  if (scale == 1) return PyramidScale::kSame;
  if (scale == 0.5) return PyramidScale::kHalf;
  refuse("scale: expected 4, 2, 1 or 0.5, found " + to_text(ArgumentValue(scale)));
}

FeatureMap level_output(const RowContext& row) {
  const FeatureMap& in = row.input();
  const PyramidScale scale = scale_of(row);
  if (scale == PyramidScale::kHalf) return {row.args.integer("out"), in.stride * 2};
  const std::int64_t factor = scale == PyramidScale::kFourfold ? 4 : scale == PyramidScale::kDouble ? 2 : 1;
  if (in.stride % factor || in.channels % factor)
    refuse("expected a map whose stride and channels are multiples of " + std::to_string(factor) + ", found " +
           std::to_string(in.stride) + " and " + std::to_string(in.channels));
  return {row.args.integer("out"), in.stride / factor};
}

}  // namespace

void register_pyramid_blocks(Registry& registry) {
  registry.add({.name = "PyramidLevel",
                .summary = "a level of the simple feature pyramid: resized, two convolutions, normed over channels",
                .arguments = {out_argument(), number_argument("scale", "4, 2, 1 or 0.5 times the map's size")},
                .output = level_output,
                .build = [](const RowContext& row) -> BlockPtr {
                  return PyramidLevel(row.input().channels, row.args.integer("out"), scale_of(row)).ptr();
                }});
}

}  // namespace rtdetr
