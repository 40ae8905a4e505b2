#include "models/blocks/pooling.h"

#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// Names as in a Sequential behind a pool.
ConvNormActOptions behind_a_pool(ConvNormActOptions unit) {
  unit.conv_name = "1";
  unit.norm_name = "2";
  return unit;
}

}  // namespace

AvgPoolConvImpl::AvgPoolConvImpl(ConvNormActOptions unit, std::int64_t window, std::int64_t stride)
    : ConvNormActImpl(behind_a_pool(std::move(unit))), window_(window), stride_(stride) {}

Tensor AvgPoolConvImpl::forward(const Tensor& x) {
  return ConvNormActImpl::forward(torch::avg_pool2d(x, window_, stride_, window_ / 2));
}

OnnxValue AvgPoolConvImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const std::int64_t border = window_ / 2;
  const onnx::OnnxWindow window{.kernel = window_, .stride = stride_, .padding = {border, border, border, border}};
  return ConvNormActImpl::emit(graph, onnx::average_pool(graph, x, window));
}

std::int64_t AvgPoolConvImpl::deployed_parameters(Deployment deployment) const {
  return deployment == Deployment::kDfine ? count_parameters(*this) : ConvNormActImpl::deployed_parameters(deployment);
}

GlobalFusionImpl::GlobalFusionImpl(std::int64_t in, std::int64_t out, Activation activation,
                                   const BatchNormOptions& norm) {
  ConvNormActOptions unit = conv_unit(in, out, 1, 1, activation, norm);
  unit.norm_name = "norm";
  cv_ = register_module("cv", ConvNormAct(unit));
}

Tensor GlobalFusionImpl::forward(const Tensor& x) { return cv_->forward(x + x.mean({2, 3}, /*keepdim=*/true)); }

OnnxValue GlobalFusionImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return graph.emit("cv", cv_, onnx::add(graph, x, onnx::global_mean(graph, x)));
}

namespace {

void register_average_pool_conv(Registry& registry) {
  registry.add({.name = "AvgPoolConv",
                .summary = "mean over a window, then a 1x1 convolution, BatchNorm, activation (keys 1, 2)",
                .arguments = {out_argument(), integer_argument("k", "window, odd").fallback(3).range(1, 63),
                              integer_argument("s", "stride").fallback(2).range(1, 32),
                              activation_argument("act", "activation").fallback("silu")},
                .output = [](const RowContext& row) -> FeatureMap {
                  const std::int64_t window = row.args.integer("k"), stride = row.args.integer("s");
                  if (window % 2 == 0) refuse("argument 'k': expected an odd window");
                  check_window(window, stride, window / 2);
                  return {row.args.integer("out"), row.input().stride * stride};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  const ConvNormActOptions unit =
                      conv_unit(row.input().channels, row.args.integer("out"), 1, 1,
                                activation_from_name(row.args.text("act")), norm_options(row));
                  return AvgPoolConv(unit, row.args.integer("k"), row.args.integer("s")).ptr();
                }});
}

void register_global_fusion(Registry& registry) {
  registry.add({.name = "GlobalFusion",
                .summary = "1x1 convolution of a map plus its means, BatchNorm, activation (keys cv.conv, cv.norm)",
                .arguments = {out_argument(), activation_argument("act", "activation").fallback("silu")},
                .output = [](const RowContext& row) -> FeatureMap {
                  return {row.args.integer("out"), row.input().stride};
                },
                .build = [](const RowContext& row) -> BlockPtr {
                  return GlobalFusion(row.input().channels, row.args.integer("out"),
                                      activation_from_name(row.args.text("act")), norm_options(row))
                      .ptr();
                }});
}

}  // namespace

void register_pooling_blocks(Registry& registry) {
  register_average_pool_conv(registry);
  register_global_fusion(registry);
}

}  // namespace rtdetr
