#include "models/blocks/csp.h"

#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

CspBottleneckImpl::CspBottleneckImpl(std::int64_t in, std::int64_t inner, std::int64_t out, bool shortcut,
                                     std::int64_t groups, Activation activation, const BatchNormOptions& norm)
    : add_(shortcut && in == out) {
  ConvNormActOptions second = conv_unit(inner, out, 3, 1, activation, norm);
  second.conv.groups = groups;
  cv1_ = register_module("cv1", ConvNormAct(conv_unit(in, inner, 3, 1, activation, norm)));
  cv2_ = register_module("cv2", ConvNormAct(second));
}

Tensor CspBottleneckImpl::forward(const Tensor& x) {
  const Tensor y = cv2_->forward(cv1_->forward(x));
  return add_ ? y + x : y;
}

OnnxValue CspBottleneckImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxValue y = graph.emit("cv2", cv2_, graph.emit("cv1", cv1_, x));
  return add_ ? onnx::add(graph, y, x) : y;
}

C2fImpl::C2fImpl(const C2fOptions& o) : inner_(o.inner) {
  cv1_ = register_module("cv1", ConvNormAct(conv_unit(o.in, 2 * o.inner, 1, 1, o.activation, o.norm)));
  cv2_ = register_module("cv2", ConvNormAct(conv_unit((2 + o.layers) * o.inner, o.out, 1, 1, o.activation, o.norm)));
  for (std::int64_t k = 0; k < o.layers; ++k) {
    layers_.emplace_back(o.inner, o.inner, o.inner, o.shortcut, o.groups, o.activation, o.norm);
    register_at(*this, "m." + std::to_string(k), layers_.back().ptr());
  }
}

Tensor C2fImpl::forward(const Tensor& x) {
  const Tensor halves = cv1_->forward(x);
  std::vector<Tensor> parts = {halves};
  Tensor last = halves.narrow(1, inner_, inner_);
  for (CspBottleneck& layer : layers_) {
    last = layer->forward(last);
    parts.push_back(last);
  }
  return cv2_->forward(torch::cat(parts, 1));
}

OnnxValue C2fImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxValue halves = graph.emit("cv1", cv1_, x);
  std::vector<OnnxValue> parts = {halves};
  OnnxValue last = onnx::split(graph, halves, {inner_, inner_}, 1)[1];
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    last = graph.emit("m." + std::to_string(k), layers_[k], last);
    parts.push_back(last);
  }
  return graph.emit("cv2", cv2_, onnx::concat(graph, parts, 1));
}

SppfImpl::SppfImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation,
                   const BatchNormOptions& norm)
    : kernel_(kernel) {
  cv1_ = register_module("cv1", ConvNormAct(conv_unit(in, in / 2, 1, 1, activation, norm)));
  cv2_ = register_module("cv2", ConvNormAct(conv_unit(in / 2 * 4, out, 1, 1, activation, norm)));
}

Tensor SppfImpl::forward(const Tensor& x) {
  std::vector<Tensor> parts = {cv1_->forward(x)};
  for (int k = 0; k < 3; ++k) parts.push_back(torch::max_pool2d(parts.back(), kernel_, 1, kernel_ / 2));
  return cv2_->forward(torch::cat(parts, 1));
}

OnnxValue SppfImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const std::int64_t border = kernel_ / 2;
  const onnx::OnnxWindow window{.kernel = kernel_, .padding = {border, border, border, border}};
  std::vector<OnnxValue> parts = {graph.emit("cv1", cv1_, x)};
  for (int k = 0; k < 3; ++k) parts.push_back(onnx::max_pool(graph, parts.back(), window));
  return graph.emit("cv2", cv2_, onnx::concat(graph, parts, 1));
}

namespace {

ArgumentSpec expansion_argument() {
  return number_argument("e", "inner channels / output channels").fallback(0.5).range(1e-3, 16);
}

std::int64_t inner_channels(const RowContext& row) {
  return static_cast<std::int64_t>(row.args.integer("out") * row.args.number("e"));
}

/// @param grouped_channels  what the groups have to divide, besides the inner channels
FeatureMap csp_output(const RowContext& row, std::int64_t grouped_channels) {
  const std::int64_t inner = inner_channels(row), groups = row.args.integer("g");
  if (inner < 1) refuse("argument 'e' leaves no inner channel");
  if (inner % groups || grouped_channels % groups) {
    refuse("groups must divide the channels " + std::to_string(inner) + " and " + std::to_string(grouped_channels) +
           ", found " + std::to_string(groups));
  }
  return {row.args.integer("out"), row.input().stride};
}

BlockPtr build_c2f(const RowContext& row) {
  C2fOptions options;
  options.in = row.input().channels;
  options.out = row.args.integer("out");
  options.inner = inner_channels(row);
  options.layers = row.repeats;
  options.shortcut = row.args.flag("shortcut");
  options.groups = row.args.integer("g");
  options.activation = activation_from_name(row.activation);
  options.norm = norm_options(row);
  return C2f(options).ptr();
}

BlockPtr build_bottleneck(const RowContext& row) {
  return CspBottleneck(row.input().channels, inner_channels(row), row.args.integer("out"), row.args.flag("shortcut"),
                       row.args.integer("g"), activation_from_name(row.activation), norm_options(row))
      .ptr();
}

BlockPtr build_sppf(const RowContext& row) {
  return Sppf(row.input().channels, row.args.integer("out"), row.args.integer("k"),
              activation_from_name(row.activation), norm_options(row))
      .ptr();
}

}  // namespace

void register_csp_blocks(Registry& registry) {
  registry.add({.name = "C2f",
                .summary = "block of YOLOv8; repeats = its bottlenecks",
                .arguments = {out_argument(), flag_argument("shortcut", "bottlenecks add their input").fallback(false),
                              groups_argument(), expansion_argument()},
                .repeats = Repeats::kInner,
                .width_scaled = "out",
                .output = [](const RowContext& row) { return csp_output(row, inner_channels(row)); },
                .build = build_c2f});
  registry.add(
      {.name = "Bottleneck",
       .summary = "two 3x3 convolutions",
       .arguments = {out_argument(), flag_argument("shortcut", "adds the input").fallback(true), groups_argument(),
                     integers_argument("k", "kernel sizes, always [3, 3]")
                         .fallback(ArgumentValue(std::vector<std::int64_t>{3, 3}))
                         .range(3, 3),
                     expansion_argument()},
       .width_scaled = "out",
       .output = [](const RowContext& row) { return csp_output(row, row.args.integer("out")); },
       .build = build_bottleneck});
  registry.add({.name = "SPPF",
                .summary = "three max-pools in chain, concatenated",
                .arguments = {out_argument(), integer_argument("k", "window, odd").fallback(5).range(1, 31)},
                .width_scaled = "out",
                .output = [](const RowContext& row) -> FeatureMap {
                  if (row.args.integer("k") % 2 == 0) refuse("argument 'k': expected an odd window");
                  if (row.input().channels < 2) refuse("expected at least 2 input channels");
                  return {row.args.integer("out"), row.input().stride};
                },
                .build = build_sppf});
}

}  // namespace rtdetr
