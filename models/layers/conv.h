#pragma once

#include <cstdint>
#include <string>

#include <torch/nn/module.h>

#include "models/layers/basic.h"
#include "models/layers/batch_norm.h"
#include "models/layers/block.h"
#include "models/layers/fuse.h"
#include "models/layers/init.h"

/// Convolution, and the unit that nearly every block is made of.
namespace rtdetr {

struct ConvolutionOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t kernel = 1, stride = 1, padding = 0, groups = 1, dilation = 1;
};

/// Conv2d without bias (keys `weight`), until folding gives it one (`weight`, `bias`). Initial values: PyTorch's.
class ConvolutionImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit ConvolutionImpl(const ConvolutionOptions& options);
  Tensor forward(const Tensor& x);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;
  void init_weights(const WeightDraws& draws) override { draws.fan_in_uniform(weight, "weight"); }
  /// Takes over a kernel that is folded into the present type, on the present device.
  void set_kernel(const FoldPart& folded);
  const ConvolutionOptions& options() const { return options_; }

  Tensor weight, bias;

 private:
  ConvolutionOptions options_;
};
TORCH_MODULE(Convolution);

/// A folded convolution with its activation.
OnnxValue emit_conv(OnnxBuilder& graph, const OnnxValue& x, const FoldedKernel& kernel,
                    const ConvolutionOptions& options, Activation activation);

/// scale · x + bias with two learnt numbers, behind an activation (PP-HGNetV2's "learnable affine block"). Keys
/// `scale`, `bias` [1].
class LearntAffineImpl : public torch::nn::Module, public InitializesWeights {
 public:
  LearntAffineImpl();
  Tensor forward(const Tensor& x);
  void init_weights(const WeightDraws&) override;

  Tensor scale, bias;
};
TORCH_MODULE(LearntAffine);

struct ConvNormActOptions {
  ConvolutionOptions conv;
  BatchNormOptions norm;
  Activation activation = Activation::kNone;
  bool affine = false;             ///< a LearntAffine, `lab`, behind the activation
  bool freeze = false;             ///< its parameters are not trained
  std::string conv_name = "conv";  ///< registered names, as the reference's keys have them
  std::string norm_name = "bn";
};

/// act(BN(conv(x))), with a learnt affine behind it if asked for; folded: act(conv(x) + bias).
class ConvNormActImpl : public Block, public Fusable {
 public:
  explicit ConvNormActImpl(const ConvNormActOptions& options);
  Tensor forward(const Tensor& x) override;
  /// The same without the activation, for blocks that add branches first.
  Tensor forward_linear(const Tensor& x) { return forward_with(x, Activation::kNone); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  void fuse() override;
  std::int64_t deployed_parameters(Deployment deployment) const override;
  /// The kernel with the norm folded in, whether or not `fuse` has run; or some of its output channels.
  FoldedKernel folded() const { return folded(0, options().out); }
  FoldedKernel folded(std::int64_t first, std::int64_t count) const;
  const ConvolutionOptions& options() const { return conv_->options(); }

 private:
  Tensor forward_with(const Tensor& x, Activation activation);
  OnnxValue emit_affine(OnnxBuilder& graph, const OnnxValue& x) const;

  std::string norm_name_;
  Activation activation_;
  Convolution conv_{nullptr};
  BatchNorm norm_{nullptr};  ///< empty once folded
  LearntAffine affine_{nullptr};
};
TORCH_MODULE(ConvNormAct);

/// Padding that keeps the size at stride 1: half of the dilated kernel, as Ultralytics rounds it.
std::int64_t same_padding(std::int64_t kernel, std::int64_t dilation = 1);

/// Options of the usual unit, padded to keep the size.
ConvNormActOptions conv_unit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             Activation activation, const BatchNormOptions& norm);

}  // namespace rtdetr
