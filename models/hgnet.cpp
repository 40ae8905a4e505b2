#include "models/hgnet.h"

#include <torch/torch.h>

#include "models/registry.h"

namespace rtdetr {

LightConvImpl::LightConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation,
                             const BatchNormOptions& norm) {
  ConvNormActOptions depthwise = conv_unit(out, out, kernel, 1, activation, norm);
  depthwise.conv.groups = out;
  conv1_ = register_module("conv1", ConvNormAct(conv_unit(in, out, 1, 1, Activation::kNone, norm)));
  conv2_ = register_module("conv2", ConvNormAct(depthwise));
}

HgStemImpl::HgStemImpl(std::int64_t in, std::int64_t mid, std::int64_t out, const BatchNormOptions& norm) {
  const auto add = [&](const char* name, std::int64_t from, std::int64_t to, std::int64_t kernel, std::int64_t stride) {
    ConvNormActOptions options = conv_unit(from, to, kernel, stride, Activation::kRelu, norm);
    if (kernel == 2) options.conv.padding = 0;  // padded by hand, on one side
    return register_module(name, ConvNormAct(options));
  };
  stem1_ = add("stem1", in, mid, 3, 2);
  stem2a_ = add("stem2a", mid, mid / 2, 2, 1);
  stem2b_ = add("stem2b", mid / 2, mid, 2, 1);
  stem3_ = add("stem3", 2 * mid, mid, 3, 2);
  stem4_ = add("stem4", mid, out, 1, 1);
}

Tensor HgStemImpl::forward(const Tensor& x) {
  const auto pad_right_bottom = [](const Tensor& map) { return torch::constant_pad_nd(map, {0, 1, 0, 1}); };
  const Tensor padded = pad_right_bottom(stem1_->forward(x));
  const Tensor convolved = stem2b_->forward(pad_right_bottom(stem2a_->forward(padded)));
  const Tensor pooled = torch::max_pool2d(padded, 2, 1);
  return stem4_->forward(stem3_->forward(torch::cat({pooled, convolved}, 1)));
}

HgBlockImpl::HgBlockImpl(const HgBlockOptions& o) : add_(o.shortcut && o.in == o.out) {
  for (std::int64_t k = 0; k < o.layers; ++k) {
    const std::int64_t in = k == 0 ? o.in : o.mid;
    layers_.push_back(o.light ? BlockPtr(LightConv(in, o.mid, o.kernel, o.activation, o.norm).ptr())
                              : BlockPtr(ConvNormAct(conv_unit(in, o.mid, o.kernel, 1, o.activation, o.norm)).ptr()));
    register_at(*this, "m." + std::to_string(k), layers_.back());
  }
  const std::int64_t all = o.in + o.layers * o.mid;
  squeeze_ = register_module("sc", ConvNormAct(conv_unit(all, o.out / 2, 1, 1, o.activation, o.norm)));
  excite_ = register_module("ec", ConvNormAct(conv_unit(o.out / 2, o.out, 1, 1, o.activation, o.norm)));
}

Tensor HgBlockImpl::forward(const Tensor& x) {
  std::vector<Tensor> parts = {x};
  for (const BlockPtr& layer : layers_) parts.push_back(layer->forward(parts.back()));
  const Tensor y = excite_->forward(squeeze_->forward(torch::cat(parts, 1)));
  return add_ ? y + x : y;
}

namespace {

ArgumentSpec mid_argument() { return integer_argument("mid", "inner channels").alias("cm").range(2, 65536); }
ArgumentSpec out_argument() { return integer_argument("out", "output channels").alias("c2").range(2, 65536); }

HgBlockOptions block_options(const RowContext& row) {
  HgBlockOptions options;
  options.in = row.input().channels;
  options.mid = row.args.integer("mid");
  options.out = row.args.integer("out");
  options.kernel = row.args.integer("k");
  options.layers = row.repeats;
  options.light = row.args.flag("lightconv");
  options.shortcut = row.args.flag("shortcut");
  options.activation = activation_from_name(row.args.text("act"));
  options.norm = {row.norm_eps, row.norm_momentum};
  return options;
}

}  // namespace

void register_hgnet_blocks(Registry& registry) {
  registry.add({.name = "HGStem",
                .summary = "stem of PP-HGNetV2, stride 4",
                .arguments = {mid_argument(), out_argument()},
                .output = [](const RowContext& row) -> FeatureMap {
                  return {row.args.integer("out"), row.input().stride * 4};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  return HgStem(row.input().channels, row.args.integer("mid"), row.args.integer("out"),
                                BatchNormOptions{row.norm_eps, row.norm_momentum})
                      .ptr();
                }});
  registry.add(
      {.name = "HGBlock",
       .summary = "dense block of PP-HGNetV2; repeats = its layers",
       .arguments = {mid_argument(), out_argument(), integer_argument("k", "kernel size, odd").fallback(3).range(1, 63),
                     flag_argument("lightconv", "1x1 and depthwise convolutions").fallback(false),
                     flag_argument("shortcut", "adds the input").fallback(false),
                     activation_argument("act", "activation").fallback("relu")},
       .repeats = Repeats::kInner,
       .output = [](const RowContext& row) -> FeatureMap {
         if (row.args.integer("k") % 2 == 0) refuse("argument 'k': expected an odd kernel size");
         return {row.args.integer("out"), row.input().stride};
       },
       .build = [](const RowContext& row) -> BlockPtr { return HgBlock(block_options(row)).ptr(); }});
  registry.add({.name = "LightConv",
                .summary = "1x1 convolution, then a depthwise one",
                .arguments = {out_argument(), integer_argument("k", "kernel size, odd").fallback(1).range(1, 63),
                              activation_argument("act", "activation").fallback("relu")},
                .width_scaled = "out",
                .output = [](const RowContext& row) -> FeatureMap {
                  return {row.args.integer("out"), row.input().stride};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  return LightConv(row.input().channels, row.args.integer("out"), row.args.integer("k"),
                                   activation_from_name(row.args.text("act")),
                                   BatchNormOptions{row.norm_eps, row.norm_momentum})
                      .ptr();
                }});
}

}  // namespace rtdetr
