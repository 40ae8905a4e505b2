#include "models/blocks/elan.h"

#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// The unit with the official keys conv, norm.
ConvNormAct official_unit(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation,
                          const BatchNormOptions& norm) {
  ConvNormActOptions options = conv_unit(in, out, kernel, 1, activation, norm);
  options.norm_name = "norm";
  return ConvNormAct(options);
}

}  // namespace

RepElanImpl::RepElanImpl(const RepElanOptions& o) : half_(o.hidden / 2) {
  const auto rep = [&](const char* name, std::int64_t in) {
    CspRepOptions options{.in = in, .out = o.inner, .inner = o.inner, .layers = o.layers, .activation = o.activation};
    options.norm = o.norm;
    options.official_keys = true;
    options.split = o.split;
    CspRep block(options);
    register_at(*this, name, block.ptr());
    return block;
  };
  const auto unit = [&](const char* name, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    ConvNormAct block = official_unit(in, out, kernel, o.activation, o.norm);
    register_at(*this, name, block.ptr());
    return block;
  };
  cv1_ = unit("cv1", o.in, o.hidden, 1);
  rep2_ = rep("cv2.0", half_);
  conv2_ = unit("cv2.1", o.inner, o.inner, 3);
  rep3_ = rep("cv3.0", o.inner);
  conv3_ = unit("cv3.1", o.inner, o.inner, 3);
  cv4_ = unit("cv4", o.hidden + 2 * o.inner, o.out, 1);
}

Tensor RepElanImpl::forward(const Tensor& x) {
  const Tensor halves = cv1_->forward(x);
  const Tensor second = conv2_->forward(rep2_->forward(halves.narrow(1, half_, half_)));
  const Tensor third = conv3_->forward(rep3_->forward(second));
  return cv4_->forward(torch::cat({halves, second, third}, 1));
}

OnnxValue RepElanImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxValue halves = graph.emit("cv1", cv1_, x);
  const OnnxValue half = onnx::split(graph, halves, {half_, half_}, 1)[1];
  const OnnxValue second = graph.emit("cv2.1", conv2_, graph.emit("cv2.0", rep2_, half));
  const OnnxValue third = graph.emit("cv3.1", conv3_, graph.emit("cv3.0", rep3_, second));
  return graph.emit("cv4", cv4_, onnx::concat(graph, {halves, second, third}, 1));
}

ScDownImpl::ScDownImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                       const BatchNormOptions& norm) {
  ConvNormActOptions depthwise = conv_unit(out, out, kernel, stride, Activation::kNone, norm);
  depthwise.conv.groups = out;
  depthwise.norm_name = "norm";
  cv1_ = register_module("cv1", official_unit(in, out, 1, Activation::kNone, norm));
  cv2_ = register_module("cv2", ConvNormAct(depthwise));
}

void register_elan_blocks(Registry& registry) {
  registry.add(
      {.name = "RepNCSPELAN4",
       .summary = "fusion block of D-FINE; repeats = layers of its two inner blocks (the official keys)",
       .arguments = {out_argument(), integer_argument("c3", "hidden channels, even").range(2, kMaxChannels),
                     integer_argument("c4", "channels of the inner blocks").range(1, kMaxChannels),
                     activation_argument("act", "activation").fallback("silu"),
                     text_argument("csp", "split: each inner block begins with one convolution, not two (DEIMv2)",
                                   {"pair", "split"})
                         .fallback("pair")
                         .named_only()},
       .repeats = Repeats::kInner,
       .output = [](const RowContext& row) -> FeatureMap {
         if (row.args.integer("c3") % 2 != 0) refuse("argument 'c3': expected an even number of channels");
         return {row.args.integer("out"), row.input().stride};
       },
       .build = [](const RowContext& row) -> BlockPtr {
         RepElanOptions options;
         options.in = row.input().channels;
         options.out = row.args.integer("out");
         options.hidden = row.args.integer("c3");
         options.inner = row.args.integer("c4");
         options.layers = row.repeats;
         options.activation = activation_from_name(row.args.text("act"));
         options.norm = norm_options(row);
         options.split = row.args.text("csp") == "split";
         return RepElan(options).ptr();
       }});
  registry.add({.name = "SCDown",
                .summary = "1x1 convolution, then a depthwise one with a stride, no activation (the official keys)",
                .arguments = {out_argument(), integer_argument("k", "kernel size").fallback(3).range(1, 63),
                              integer_argument("s", "stride").fallback(2).range(1, 32)},
                .output = [](const RowContext& row) -> FeatureMap {
                  const std::int64_t kernel = row.args.integer("k"), stride = row.args.integer("s");
                  check_window(kernel, stride, same_padding(kernel));
                  return {row.args.integer("out"), row.input().stride * stride};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  return ScDown(row.input().channels, row.args.integer("out"), row.args.integer("k"),
                                row.args.integer("s"), norm_options(row))
                      .ptr();
                }});
}

}  // namespace rtdetr
