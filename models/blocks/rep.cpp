#include "models/blocks/rep.h"

#include <torch/types.h>

#include "core/base/check.h"
#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

RepConvImpl::RepConvImpl(const RepConvOptions& options) : options_(options) {
  const RepConvOptions& o = options_;
  const auto add = [&](const char* name, std::int64_t kernel) {
    ConvNormActOptions unit = conv_unit(o.in, o.out, kernel, o.stride, Activation::kNone, o.norm);
    unit.conv.groups = o.groups;
    unit.norm_name = o.norm_name;
    return register_module(name, ConvNormAct(unit));
  };
  conv1_ = add("conv1", 3);
  conv2_ = add("conv2", 1);
  if (o.identity) identity_ = register_module("bn", BatchNorm(o.in, o.norm));
}

Tensor RepConvImpl::forward(const Tensor& x) {
  if (conv_) return activate(conv_->forward(x), options_.activation);
  Tensor y = conv1_->forward_linear(x);
  y.add_(conv2_->forward_linear(x));  // BatchNorm's backward does not need its output
  if (identity_) y.add_(identity_->forward(x));
  return activate(y, options_.activation);
}

/// A 1x1 kernel is the middle of a 3x3 one, and the identity is a 1x1 kernel that passes each channel on.
FoldedKernel RepConvImpl::folded(std::int64_t first, std::int64_t count) const {
  const auto widen = [](const Tensor& kernel) { return torch::constant_pad_nd(kernel, {1, 1, 1, 1}); };
  FoldedKernel sum = conv1_->folded(first, count);
  const FoldedKernel point = conv2_->folded(first, count);
  sum.weight += widen(point.weight);
  sum.bias += point.bias;
  if (identity_) {
    const std::int64_t per_group = options_.in / options_.groups;
    const Tensor unit =
        torch::eye(per_group, sum.weight.options()).repeat({options_.groups, 1}).narrow(0, first, count);
    const FoldedKernel pass = fold_norm(unit.view({count, per_group, 1, 1}), {}, *identity_, first);
    sum.weight += widen(pass.weight);
    sum.bias += pass.bias;
  }
  return sum;
}

OnnxValue RepConvImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  RTDETR_CHECK(conv_, "a RepConv is written as one kernel: fuse the model first");
  return emit_conv(graph, x, {conv_->weight, conv_->bias}, conv_->options(), options_.activation);
}

void RepConvImpl::fuse() {
  if (conv_) return;
  const torch::NoGradGuard no_grad;
  const Tensor present = conv1_->parameters().front();
  const ParameterBudget alike(/*counting_only=*/present.is_meta());
  ConvolutionOptions options = conv1_->options();
  conv_ = register_module("conv", Convolution(options));
  conv_->to(present.device(), present.scalar_type());
  conv_->set_kernel([&](std::int64_t first, std::int64_t count) { return folded(first, count); });
  for (const char* name : {"conv1", "conv2"}) unregister_module(name);
  if (identity_) unregister_module("bn");
  conv1_ = conv2_ = nullptr;
  identity_ = nullptr;
}

CspRepImpl::CspRepImpl(const CspRepOptions& o) : inner_(o.inner) {
  const auto add = [&](const char* name, std::int64_t in, std::int64_t out) {
    ConvNormActOptions unit = conv_unit(in, out, 1, 1, o.activation, o.norm);
    if (o.official_keys) unit.norm_name = "norm";
    return register_module(name, ConvNormAct(unit));
  };
  first_ = add(o.official_keys ? "conv1" : "cv1", o.in, o.split ? 2 * o.inner : o.inner);
  if (!o.split) second_ = add(o.official_keys ? "conv2" : "cv2", o.in, o.inner);
  for (std::int64_t k = 0; k < o.layers; ++k) {
    RepConvOptions rep{.in = o.inner, .out = o.inner, .activation = o.activation, .norm = o.norm};
    if (o.official_keys) rep.norm_name = "norm";
    layers_.emplace_back(rep);
    register_at(*this, (o.official_keys ? "bottlenecks." : "m.") + std::to_string(k), layers_.back().ptr());
  }
  if (o.inner != o.out) last_ = add(o.official_keys ? "conv3" : "cv3", o.inner, o.out);
}

Tensor CspRepImpl::forward(const Tensor& x) {
  Tensor y = first_->forward(x), added;
  if (!second_) added = y.narrow(1, 0, inner_), y = y.narrow(1, inner_, inner_);
  for (RepConv& layer : layers_) y = layer->forward(y);
  y = y + (second_ ? second_->forward(x) : added);
  return last_ ? last_->forward(y) : y;
}

OnnxValue CspRepImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  OnnxValue y = graph.emit("cv1", first_, x), added;
  if (!second_) {
    const auto halves = onnx::split(graph, y, {inner_, inner_}, 1);
    added = halves[0], y = halves[1];
  }
  for (std::size_t k = 0; k < layers_.size(); ++k) y = graph.emit("m." + std::to_string(k), layers_[k], y);
  y = onnx::add(graph, y, second_ ? graph.emit("cv2", second_, x) : added);
  return last_ ? graph.emit("cv3", last_, y) : y;
}

namespace {

void check_rep_conv(const RowContext& row) {
  const std::int64_t in = row.input().channels, out = row.args.integer("out"), groups = row.args.integer("g");
  if (in % groups || out % groups)
    refuse("groups must divide input and output channels, found " + std::to_string(groups));
  if (row.args.flag("bn") && (in != out || row.args.integer("s") != 1)) {
    refuse("the identity branch (bn) needs as many output as input channels (" + std::to_string(in) + ") and stride 1");
  }
}

void register_rep_conv(Registry& registry) {
  registry.add({.name = "RepConv",
                .summary = "3x3 and 1x1 branches, with an identity branch if asked for; one kernel after fusing",
                .arguments = {out_argument(), integer_argument("k", "kernel size").fallback(3).range(3, 3),
                              integer_argument("s", "stride").fallback(1).range(1, 32),
                              integer_argument("p", "padding").fallback(1).range(1, 1), groups_argument(),
                              activation_argument("act", "activation").fallback(true),
                              flag_argument("bn", "identity branch").fallback(false)},
                .width_scaled = "out",
                .output = [](const RowContext& row) -> FeatureMap {
                  check_rep_conv(row);
                  return {row.args.integer("out"), row.input().stride * row.args.integer("s")};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  RepConvOptions options;
                  options.in = row.input().channels;
                  options.out = row.args.integer("out");
                  options.stride = row.args.integer("s");
                  options.groups = row.args.integer("g");
                  options.identity = row.args.flag("bn");
                  options.activation = activation_from_name(row.args.text("act"));
                  options.norm = norm_options(row);
                  return RepConv(options).ptr();
                }});
}

BlockEntry csp_rep_entry(const char* name, const char* summary, bool official_keys) {
  return {
      .name = name,
      .summary = summary,
      .arguments =
          {out_argument(),
           number_argument("e", "inner channels / output channels").alias("expansion").fallback(1.0).range(1e-3, 16),
           activation_argument("act", "activation").fallback(true)},
      .repeats = Repeats::kInner,
      .width_scaled = official_keys ? "" : "out",
      .output = [](const RowContext& row) -> FeatureMap {
        if (static_cast<std::int64_t>(row.args.integer("out") * row.args.number("e")) < 1) {
          refuse("argument 'e' leaves no inner channel");
        }
        return {row.args.integer("out"), row.input().stride};
      },
      .build = [official_keys](const RowContext& row) -> BlockPtr {
        CspRepOptions options;
        options.in = row.input().channels;
        options.out = row.args.integer("out");
        options.inner = static_cast<std::int64_t>(options.out * row.args.number("e"));
        options.layers = row.repeats;
        options.activation = activation_from_name(row.args.text("act"));
        options.norm = norm_options(row);
        options.official_keys = official_keys;
        return CspRep(options).ptr();
      }};
}

}  // namespace

void register_rep_blocks(Registry& registry) {
  register_rep_conv(registry);
  registry.add(csp_rep_entry("RepC3", "two branches, one of RepConv; repeats = its layers (Ultralytics' keys)", false));
  registry.add(csp_rep_entry("CSPRepLayer", "the same block with the official keys", true));
}

}  // namespace rtdetr
