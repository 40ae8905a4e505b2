#include "models/blocks/hgnet.h"

#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

LightConvImpl::LightConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation,
                             const BatchNormOptions& norm, bool affine) {
  ConvNormActOptions depthwise = conv_unit(out, out, kernel, 1, activation, norm);
  depthwise.conv.groups = out;
  depthwise.affine = affine;
  conv1_ = register_module("conv1", ConvNormAct(conv_unit(in, out, 1, 1, Activation::kNone, norm)));
  conv2_ = register_module("conv2", ConvNormAct(depthwise));
}

OnnxValue LightConvImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return graph.emit("conv2", conv2_, graph.emit("conv1", conv1_, x));
}

HgStemImpl::HgStemImpl(const HgStemOptions& o) {
  const auto add = [&](const char* name, std::int64_t from, std::int64_t to, std::int64_t kernel, std::int64_t stride) {
    ConvNormActOptions options = conv_unit(from, to, kernel, stride, Activation::kRelu, o.norm);
    options.freeze = o.freeze;
    options.affine = o.affine;
    if (kernel == 2) {
      options.conv.padding = 0;  // padded by hand, on one side
      if (o.official_keys) options.conv_name = "conv.1";
    }
    return register_module(name, ConvNormAct(options));
  };
  stem1_ = add("stem1", o.in, o.mid, 3, 2);
  stem2a_ = add("stem2a", o.mid, o.mid / 2, 2, 1);
  stem2b_ = add("stem2b", o.mid / 2, o.mid, 2, 1);
  stem3_ = add("stem3", 2 * o.mid, o.mid, 3, 2);
  stem4_ = add("stem4", o.mid, o.out, 1, 1);
}

Tensor HgStemImpl::forward(const Tensor& x) {
  const auto pad_right_bottom = [](const Tensor& map) { return torch::constant_pad_nd(map, {0, 1, 0, 1}); };
  const Tensor padded = pad_right_bottom(stem1_->forward(x));
  const Tensor convolved = stem2b_->forward(pad_right_bottom(stem2a_->forward(padded)));
  const Tensor pooled = torch::max_pool2d(padded, 2, 1);
  return stem4_->forward(stem3_->forward(torch::cat({pooled, convolved}, 1)));
}

OnnxValue HgStemImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxValue padded = onnx::pad_right_bottom(graph, graph.emit("stem1", stem1_, x));
  const OnnxValue narrowed = onnx::pad_right_bottom(graph, graph.emit("stem2a", stem2a_, padded));
  const OnnxValue convolved = graph.emit("stem2b", stem2b_, narrowed);
  const OnnxValue pooled = onnx::max_pool(graph, padded, {.kernel = 2});
  const OnnxValue both = onnx::concat(graph, {pooled, convolved}, 1);
  return graph.emit("stem4", stem4_, graph.emit("stem3", stem3_, both));
}

namespace {

struct HgBlockNames {
  const char *layers, *squeeze, *excite;
};

HgBlockNames names_of(HgBlockOptions::Keys keys) {
  switch (keys) {
    case HgBlockOptions::Keys::kUltralytics:
      return {"m.", "sc", "ec"};
    case HgBlockOptions::Keys::kOfficial:
      return {"layers.", "aggregation_squeeze_conv", "aggregation_excitation_conv"};
    case HgBlockOptions::Keys::kDfine:
      break;
  }
  return {"layers.", "aggregation.0", "aggregation.1"};
}

}  // namespace

HgBlockImpl::HgBlockImpl(const HgBlockOptions& o) : add_(o.shortcut && o.in == o.out) {
  const HgBlockNames names = names_of(o.keys);
  const auto unit = [&](std::int64_t in, std::int64_t out, std::int64_t kernel) {
    ConvNormActOptions options = conv_unit(in, out, kernel, 1, o.activation, o.norm);
    options.affine = o.affine;
    return ConvNormAct(options);
  };
  for (std::int64_t k = 0; k < o.layers; ++k) {
    const std::int64_t in = k == 0 ? o.in : o.mid;
    layers_.push_back(o.light ? BlockPtr(LightConv(in, o.mid, o.kernel, o.activation, o.norm, o.affine).ptr())
                              : BlockPtr(unit(in, o.mid, o.kernel).ptr()));
    register_at(*this, names.layers + std::to_string(k), layers_.back());
  }
  squeeze_ = unit(o.in + o.layers * o.mid, o.out / 2, 1);
  excite_ = unit(o.out / 2, o.out, 1);
  register_at(*this, names.squeeze, squeeze_.ptr());
  register_at(*this, names.excite, excite_.ptr());
  if (!o.freeze) return;
  for (Tensor& parameter : parameters()) parameter.set_requires_grad(false);
}

Tensor HgBlockImpl::forward(const Tensor& x) {
  std::vector<Tensor> parts = {x};
  for (const BlockPtr& layer : layers_) parts.push_back(layer->forward(parts.back()));
  const Tensor y = excite_->forward(squeeze_->forward(torch::cat(parts, 1)));
  return add_ ? y + x : y;
}

OnnxValue HgBlockImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  std::vector<OnnxValue> parts = {x};
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    parts.push_back(graph.emit("m." + std::to_string(k), layers_[k], parts.back()));
  }
  const OnnxValue y = graph.emit("ec", excite_, graph.emit("sc", squeeze_, onnx::concat(graph, parts, 1)));
  return add_ ? onnx::add(graph, y, x) : y;
}

namespace {

ArgumentSpec mid_argument() { return integer_argument("mid", "inner channels").alias("cm").range(2, kMaxChannels); }

/// What the official models need on top of Ultralytics' arguments.
void add_official_options(std::vector<ArgumentSpec>& arguments) {
  arguments.push_back(norm_argument());
  arguments.push_back(freeze_argument());
  arguments.push_back(text_argument("keys", "whose names in the state", {"ultralytics", "official", "dfine"})
                          .fallback("ultralytics")
                          .named_only());
  arguments.push_back(
      flag_argument("lab", "a learnt scale and bias behind every activation").fallback(false).named_only());
}

HgBlockOptions::Keys block_keys(const RowContext& row) {
  if (row.args.text("keys") == "official") return HgBlockOptions::Keys::kOfficial;
  return row.args.text("keys") == "dfine" ? HgBlockOptions::Keys::kDfine : HgBlockOptions::Keys::kUltralytics;
}

BlockPtr build_stem(const RowContext& row) {
  HgStemOptions options;
  options.in = row.input().channels;
  options.mid = row.args.integer("mid");
  options.out = row.args.integer("out");
  options.norm = chosen_norm_options(row);
  options.affine = row.args.flag("lab");
  options.freeze = row.args.flag("freeze");
  options.official_keys = row.args.text("keys") == "official";
  return HgStem(options).ptr();
}

BlockPtr build_block(const RowContext& row) {
  HgBlockOptions options;
  options.in = row.input().channels;
  options.mid = row.args.integer("mid");
  options.out = row.args.integer("out");
  options.kernel = row.args.integer("k");
  options.layers = row.repeats;
  options.light = row.args.flag("lightconv");
  options.shortcut = row.args.flag("shortcut");
  options.activation = activation_from_name(row.args.text("act"));
  options.norm = chosen_norm_options(row);
  options.affine = row.args.flag("lab");
  options.freeze = row.args.flag("freeze");
  options.keys = block_keys(row);
  return HgBlock(options).ptr();
}

std::vector<ArgumentSpec> stem_arguments() {
  std::vector<ArgumentSpec> arguments = {mid_argument(), out_argument().range(2, kMaxChannels)};
  add_official_options(arguments);
  return arguments;
}

std::vector<ArgumentSpec> block_arguments() {
  std::vector<ArgumentSpec> arguments = {mid_argument(),
                                         out_argument().range(2, kMaxChannels),
                                         integer_argument("k", "kernel size, odd").fallback(3).range(1, 63),
                                         flag_argument("lightconv", "1x1 and depthwise convolutions").fallback(false),
                                         flag_argument("shortcut", "adds the input").fallback(false),
                                         activation_argument("act", "activation").fallback("relu")};
  add_official_options(arguments);
  return arguments;
}

FeatureMap odd_kernel_output(const RowContext& row) {
  if (row.args.integer("k") % 2 == 0) refuse("argument 'k': expected an odd kernel size");
  return {row.args.integer("out"), row.input().stride};
}

BlockPtr build_light_conv(const RowContext& row) {
  return LightConv(row.input().channels, row.args.integer("out"), row.args.integer("k"),
                   activation_from_name(row.args.text("act")), norm_options(row))
      .ptr();
}

}  // namespace

void register_hgnet_blocks(Registry& registry) {
  registry.add({.name = "HGStem",
                .summary = "stem of PP-HGNetV2, stride 4",
                .arguments = stem_arguments(),
                .output = [](const RowContext& row) -> FeatureMap {
                  return {row.args.integer("out"), row.input().stride * 4};
                },
                .build = build_stem});
  registry.add({.name = "HGBlock",
                .summary = "dense block of PP-HGNetV2; repeats = its layers",
                .arguments = block_arguments(),
                .repeats = Repeats::kInner,
                .output = odd_kernel_output,
                .build = build_block});
  registry.add({.name = "LightConv",
                .summary = "1x1 convolution, then a depthwise one",
                .arguments = {out_argument(), integer_argument("k", "kernel size, odd").fallback(1).range(1, 63),
                              activation_argument("act", "activation").fallback("relu")},
                .width_scaled = "out",
                .output = odd_kernel_output,
                .build = build_light_conv});
}

}  // namespace rtdetr
