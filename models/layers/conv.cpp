#include "models/layers/conv.h"

#include <torch/types.h>

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
  return conv2d(x, weight, bias, ConvWindow{o.stride, o.padding, o.dilation, o.groups});
}

void ConvolutionImpl::set_kernel(const FoldPart& folded) {
  const torch::NoGradGuard no_grad;
  const FoldedKernel kernel = fold_by_parts(weight, folded);
  weight.set_data(kernel.weight);
  if (!bias.defined()) bias = register_parameter("bias", torch::empty({options_.out}, weight.options()), false);
  bias.set_data(kernel.bias);
}

OnnxValue emit_conv(OnnxBuilder& graph, const OnnxValue& x, const FoldedKernel& kernel, const ConvolutionOptions& o,
                    Activation activation) {
  const onnx::OnnxWindow window{o.kernel, o.stride, o.dilation, {o.padding, o.padding, o.padding, o.padding}};
  return emit_activation(graph, onnx::conv(graph, x, kernel.weight, kernel.bias, window, o.groups), activation);
}

OnnxValue ConvolutionImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const Tensor none = torch::zeros({options_.out}, weight.options().requires_grad(false));
  return emit_conv(graph, x, {weight, bias.defined() ? bias : none}, options_, Activation::kNone);
}

LearntAffineImpl::LearntAffineImpl() {
  scale = register_parameter("scale", new_weight({1}));
  bias = register_parameter("bias", new_weight({1}));
}

Tensor LearntAffineImpl::forward(const Tensor& x) {
  return torch::addcmul(bias.to(x.scalar_type()), x, scale.to(x.scalar_type()));  // under autocast maps stay half
}

void LearntAffineImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(scale, 1);
  WeightDraws::constant(bias, 0);
}

ConvNormActImpl::ConvNormActImpl(const ConvNormActOptions& options)
    : norm_name_(options.norm_name), activation_(options.activation) {
  conv_ = Convolution(options.conv);
  norm_ = BatchNorm(options.conv.out, options.norm);
  register_at(*this, options.conv_name, conv_.ptr());
  register_module(norm_name_, norm_);
  if (options.affine) affine_ = register_module("lab", LearntAffine());
  if (!options.freeze) return;
  for (Tensor& parameter : parameters()) parameter.set_requires_grad(false);
}

Tensor ConvNormActImpl::forward(const Tensor& x) {
  const Tensor y = forward_with(x, activation_);
  return affine_ ? affine_->forward(y) : y;
}

Tensor ConvNormActImpl::forward_with(const Tensor& x, Activation activation) {
  const Tensor y = conv_->forward(x);
  return norm_ ? norm_->forward(y, activation) : activate(y, activation);
}

FoldedKernel ConvNormActImpl::folded(std::int64_t first, std::int64_t count) const {
  const auto some = [&](const Tensor& all) { return all.defined() ? all.narrow(0, first, count) : all; };
  if (norm_) return fold_norm(some(conv_->weight), some(conv_->bias), *norm_, first);
  return {some(conv_->weight), some(conv_->bias)};
}

OnnxValue ConvNormActImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  return affine_ ? emit_affine(graph, x) : emit_conv(graph, x, folded(), options(), activation_);
}

/// Behind ReLU it costs no more than ReLU: s · relu(v) + b is s · v + b, but not below b (not above it where s < 0).
OnnxValue ConvNormActImpl::emit_affine(OnnxBuilder& graph, const OnnxValue& x) const {
  const double scale = affine_->scale.item<double>(), bias = affine_->bias.item<double>();
  FoldedKernel kernel = folded();
  if (activation_ != Activation::kRelu) {
    const OnnxValue y = emit_conv(graph, x, kernel, options(), activation_);
    return onnx::add(graph, onnx::mul(graph, y, graph.number(scale)), graph.number(bias));
  }
  kernel.weight = kernel.weight.to(torch::kDouble) * scale;
  kernel.bias = kernel.bias.to(torch::kDouble) * scale + bias;
  const OnnxValue y = emit_conv(graph, x, kernel, options(), Activation::kNone), bound = graph.number(bias);
  return scale < 0 ? onnx::min(graph, y, bound) : onnx::max(graph, y, bound);
}

void ConvNormActImpl::fuse() {
  if (!norm_) return;
  conv_->set_kernel([&](std::int64_t first, std::int64_t count) { return folded(first, count); });
  unregister_module(norm_name_);
  norm_ = nullptr;
}

std::int64_t ConvNormActImpl::deployed_parameters(Deployment deployment) const {
  if (deployment == Deployment::kOfficial) return count_parameters(*this);
  const std::int64_t affine = affine_ ? count_parameters(*affine_) : 0;
  return conv_->weight.numel() + conv_->options().out + affine;  // the kernel, and the bias that folding gives it
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
