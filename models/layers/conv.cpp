#include "models/layers/conv.h"

#include <optional>

#include <torch/torch.h>

#include "core/ops/batch_norm.h"

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
  if (options_.frozen) return;
  const auto counter = torch::TensorOptions(torch::kInt64).device(weight_device());
  num_batches_tracked = register_buffer("num_batches_tracked", torch::zeros({}, counter));
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

ConvNormActOptions conv_unit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             Activation activation, const BatchNormOptions& norm) {
  ConvNormActOptions options;
  options.conv = {in, out, kernel, stride, same_padding(kernel)};
  options.norm = norm;
  options.activation = activation;
  return options;
}

}  // namespace rtdetr
