#include "models/layers_conv.h"

#include <numeric>
#include <optional>

#include <torch/torch.h>

#include "core/ops/batch_norm.h"
#include "models/row_arguments.h"

namespace rtdetr {

ConvolutionImpl::ConvolutionImpl(const ConvolutionOptions& options) : options_(options) {
  const ConvolutionOptions& o = options_;
  weight = register_parameter("weight", new_weight({o.out, o.in / o.groups, o.kernel, o.kernel}));
}

Tensor ConvolutionImpl::forward(const Tensor& x) {
  const ConvolutionOptions& o = options_;
  return torch::conv2d(x, weight, bias, o.stride, o.padding, o.dilation, o.groups);
}

void ConvolutionImpl::set_kernel(const FoldedKernel& kernel) {
  const torch::NoGradGuard no_grad;
  weight.set_data(kernel.weight.to(weight.options()));
  if (!bias.defined()) bias = register_parameter("bias", torch::empty({options_.out}, weight.options()), false);
  bias.set_data(kernel.bias.to(weight.options()));
}

namespace {

/// The activations that core/ops/batch_norm.h joins to the norm.
std::optional<NormActivation> joined_activation(Activation activation) {
  if (activation == Activation::kNone) return NormActivation::kNone;
  if (activation == Activation::kRelu) return NormActivation::kRelu;
  if (activation == Activation::kSilu) return NormActivation::kSilu;
  return std::nullopt;
}

}  // namespace

BatchNormImpl::BatchNormImpl(std::int64_t channels, const BatchNormOptions& options) : options_(options) {
  const auto add_affine = [&](const char* name) {
    const Tensor tensor = new_weight({channels});
    return options_.frozen ? register_buffer(name, tensor) : register_parameter(name, tensor);
  };
  weight = add_affine("weight");
  bias = add_affine("bias");
  running_mean = register_buffer("running_mean", new_weight({channels}));
  running_var = register_buffer("running_var", new_weight({channels}));
  if (!options_.frozen) num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, torch::kInt64));
}

Tensor BatchNormImpl::forward(const Tensor& x, Activation activation) {
  const bool batch_statistics = is_training() && !options_.frozen;
  if (batch_statistics) num_batches_tracked.add_(1);
  const std::optional<NormActivation> joined = joined_activation(activation);
  if (batch_statistics && joined && suits_batch_norm_act(x)) {
    return batch_norm_act(x, weight, bias, running_mean, running_var, options_.momentum, options_.eps, *joined);
  }
  return activate(torch::batch_norm(x, weight, bias, running_mean, running_var, batch_statistics, options_.momentum,
                                    options_.eps, false),
                  activation);
}

void BatchNormImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(weight, 1);
  WeightDraws::constant(bias, 0);
  WeightDraws::constant(running_mean, 0);
  WeightDraws::constant(running_var, 1);
}

ConvNormActImpl::ConvNormActImpl(const ConvNormActOptions& options)
    : norm_name_(options.norm_name), activation_(options.activation) {
  conv_ = Convolution(options.conv);
  norm_ = BatchNorm(options.conv.out, options.norm);
  register_at(*this, options.conv_name, conv_.ptr());
  register_module(norm_name_, norm_);
  if (!options.freeze) return;
  for (Tensor& parameter : parameters()) parameter.set_requires_grad(false);
}

Tensor ConvNormActImpl::forward_with(const Tensor& x, Activation activation) {
  const Tensor y = conv_->forward(x);
  return norm_ ? norm_->forward(y, activation) : activate(y, activation);
}

FoldedKernel ConvNormActImpl::folded() const {
  if (norm_) return fold_norm(conv_->weight, conv_->bias, *norm_);
  return {conv_->weight.to(torch::kFloat64), conv_->bias.to(torch::kFloat64)};
}

void ConvNormActImpl::fuse() {
  if (!norm_) return;
  conv_->set_kernel(folded());
  unregister_module(norm_name_);
  norm_ = nullptr;
}

std::int64_t same_padding(std::int64_t kernel, std::int64_t dilation) { return ((kernel - 1) * dilation + 1) / 2; }

void check_window(std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t dilation) {
  const std::int64_t lost = (kernel - 1) * dilation + 1 - 2 * padding;  // cells, before the stride
  if (lost >= 1 && lost <= stride) return;
  refuse("kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) + ", padding " +
         std::to_string(padding) + " and dilation " + std::to_string(dilation) +
         " do not give a map of 1 / stride the size");
}

ConvNormActOptions conv_unit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             Activation activation, const BatchNormOptions& norm) {
  ConvNormActOptions options;
  options.conv = {in, out, kernel, stride, same_padding(kernel)};
  options.norm = norm;
  options.activation = activation;
  return options;
}

namespace {

ArgumentSpec kernel_argument() { return integer_argument("k", "kernel size").fallback(1).range(1, 63); }
ArgumentSpec stride_argument() { return integer_argument("s", "stride").fallback(1).range(1, 32); }
ArgumentSpec dilation_argument() { return integer_argument("d", "dilation").fallback(1).range(1, 32); }
ArgumentSpec padding_argument() {
  return integer_argument("p", "padding, None = half the kernel").fallback(std::monostate{}).range(0, 63);
}

FeatureMap conv_output(const RowContext& row, std::int64_t padding, std::int64_t dilation = 1) {
  check_window(row.args.integer("k"), row.args.integer("s"), padding, dilation);
  return {row.args.integer("out"), row.input().stride * row.args.integer("s")};
}

void check_groups(std::int64_t groups, std::int64_t in, std::int64_t out) {
  if (in % groups || out % groups) {
    refuse("groups must divide the " + std::to_string(in) + " input and " + std::to_string(out) +
           " output channels, found " + std::to_string(groups));
  }
}

ConvNormActOptions conv_options(const RowContext& row, std::int64_t groups) {
  ConvNormActOptions options =
      conv_unit(row.input().channels, row.args.integer("out"), row.args.integer("k"), row.args.integer("s"),
                activation_from_name(row.args.text("act")), norm_options(row));
  options.conv.groups = groups;
  return options;
}

std::int64_t conv_padding(const RowContext& row) {
  return row.args.is_none("p") ? same_padding(row.args.integer("k"), row.args.integer("d")) : row.args.integer("p");
}

void register_conv(Registry& registry) {
  registry.add(
      {.name = "Conv",
       .summary = "convolution, BatchNorm, activation (Ultralytics' keys conv, bn)",
       .arguments = {out_argument(), kernel_argument(), stride_argument(), padding_argument(), groups_argument(),
                     dilation_argument(), activation_argument("act", "activation").fallback(true)},
       .width_scaled = "out",
       .output =
           [](const RowContext& row) {
             check_groups(row.args.integer("g"), row.input().channels, row.args.integer("out"));
             return conv_output(row, conv_padding(row), row.args.integer("d"));
           },
       .build = [](const RowContext& row) -> BlockPtr {
         ConvNormActOptions options = conv_options(row, row.args.integer("g"));
         options.conv.dilation = row.args.integer("d");
         options.conv.padding = conv_padding(row);
         return ConvNormAct(options).ptr();
       }});
}

void register_depthwise_conv(Registry& registry) {
  registry.add({.name = "DWConv",
                .summary = "convolution of each channel alone, BatchNorm, activation",
                .arguments = {out_argument(), kernel_argument(), stride_argument(), dilation_argument(),
                              activation_argument("act", "activation").fallback(true), norm_argument()},
                .width_scaled = "out",
                .output =
                    [](const RowContext& row) {
                      const std::int64_t dilation = row.args.integer("d");
                      return conv_output(row, same_padding(row.args.integer("k"), dilation), dilation);
                    },
                .build = [](const RowContext& row) -> BlockPtr {
                  ConvNormActOptions options =
                      conv_options(row, std::gcd(row.input().channels, row.args.integer("out")));
                  options.conv.dilation = row.args.integer("d");
                  options.conv.padding = same_padding(options.conv.kernel, options.conv.dilation);
                  options.norm = chosen_norm_options(row);
                  return ConvNormAct(options).ptr();
                }});
}

void register_conv_norm(Registry& registry) {
  registry.add({.name = "ConvNorm",
                .summary = "convolution, BatchNorm, activation (the official keys conv, norm)",
                .arguments = {out_argument(), kernel_argument(), stride_argument(),
                              activation_argument("act", "activation").fallback("none"), groups_argument().named_only(),
                              norm_argument(), freeze_argument(),
                              text_argument("keys", "numbered: keys 0, 1 as in a Sequential", {"named", "numbered"})
                                  .fallback("named")
                                  .named_only()},
                .output =
                    [](const RowContext& row) {
                      check_groups(row.args.integer("g"), row.input().channels, row.args.integer("out"));
                      return conv_output(row, (row.args.integer("k") - 1) / 2);
                    },
                .build = [](const RowContext& row) -> BlockPtr {
                  ConvNormActOptions options = conv_options(row, row.args.integer("g"));
                  const bool numbered = row.args.text("keys") == "numbered";
                  options.conv_name = numbered ? "0" : "conv";
                  options.norm_name = numbered ? "1" : "norm";
                  options.norm = chosen_norm_options(row);
                  options.freeze = row.args.flag("freeze");
                  options.conv.padding = (options.conv.kernel - 1) / 2;
                  return ConvNormAct(options).ptr();
                }});
}

}  // namespace

void register_conv_blocks(Registry& registry) {
  register_conv(registry);
  register_depthwise_conv(registry);
  register_conv_norm(registry);
}

}  // namespace rtdetr
