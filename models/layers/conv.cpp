#include "models/layers/conv.h"

#include <torch/torch.h>

#include "core/ops/conv.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

ConvolutionImpl::ConvolutionImpl(const ConvolutionOptions& options) : options_(options) {
  const ConvolutionOptions& o = options_;
  weight = register_parameter("weight", new_weight({o.out, o.in / o.groups, o.kernel, o.kernel}));
}

Tensor ConvolutionImpl::forward(const Tensor& x) {
  const ConvolutionOptions& o = options_;
  return conv2d(x, weight, bias, {o.stride, o.padding, o.dilation, o.groups});
}

void ConvolutionImpl::set_kernel(const FoldedKernel& kernel) {
  const torch::NoGradGuard no_grad;
  weight.set_data(kernel.weight.to(weight.options()));
  if (!bias.defined()) bias = register_parameter("bias", torch::empty({options_.out}, weight.options()), false);
  bias.set_data(kernel.bias.to(weight.options()));
}

OnnxValue emit_conv(OnnxBuilder& graph, const OnnxValue& x, const FoldedKernel& kernel, const ConvolutionOptions& o,
                    Activation activation) {
  const onnx::OnnxWindow window{o.kernel, o.stride, o.dilation, {o.padding, o.padding, o.padding, o.padding}};
  return emit_activation(graph, onnx::conv(graph, x, kernel.weight, kernel.bias, window, o.groups), activation);
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
  return {conv_->weight, conv_->bias};
}

OnnxValue ConvNormActImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return emit_conv(graph, x, folded(), options(), activation_);
}

void ConvNormActImpl::fuse() {
  if (!norm_) return;
  conv_->set_kernel(folded());
  unregister_module(norm_name_);
  norm_ = nullptr;
}

std::int64_t ConvNormActImpl::deployed_parameters(Deployment deployment) const {
  if (deployment == Deployment::kOfficial) return count_parameters(*this);
  return conv_->weight.numel() + conv_->options().out;  // the kernel, and the bias that folding gives it
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
