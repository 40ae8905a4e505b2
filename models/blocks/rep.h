#pragma once

#include <string>
#include <vector>

#include "models/layers/conv.h"

/// Re-parameterised convolutions (RepVGG): several branches while training, one kernel afterwards.
namespace rtdetr {

struct RepConvOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t stride = 1, groups = 1;
  bool identity = false;  ///< third branch: BatchNorm of the input; needs in = out and stride 1
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
  std::string norm_name = "bn";  ///< key of the branches' norms: "bn" or the official "norm"
};

/// act(BN(conv3x3(x)) + BN(conv1x1(x)) [+ BN(x)]). Keys conv1, conv2[, bn]; fused: conv.{weight, bias}.
class RepConvImpl : public Block, public Fusable {
 public:
  explicit RepConvImpl(const RepConvOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  void fuse() override;
  /// Of the one kernel and its bias.
  std::int64_t deployed_parameters(Deployment) const override {
    return options_.out * (options_.in / options_.groups * 9 + 1);
  }

 private:
  FoldedKernel folded(std::int64_t first, std::int64_t count) const;

  RepConvOptions options_;
  ConvNormAct conv1_{nullptr}, conv2_{nullptr};
  BatchNorm identity_{nullptr};
  Convolution conv_{nullptr};  ///< after fuse
};
TORCH_MODULE(RepConv);

struct CspRepOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t inner = 0;  ///< channels of the two branches
  std::int64_t layers = 3;
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
  bool official_keys = false;  ///< conv1, conv2, bottlenecks, conv3 instead of cv1, cv2, m, cv3
  bool split = false;          ///< first and second are one convolution (DEIMv2), second's half in front
};

/// y = last(RepConv…(first(x)) + second(x)): a sum, not a concatenation. `last` only where inner ≠ out.
class CspRepImpl : public Block {
 public:
  explicit CspRepImpl(const CspRepOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  std::int64_t inner_;
  ConvNormAct first_{nullptr}, last_{nullptr};
  ConvNormAct second_{nullptr};  ///< empty where first_ puts out both halves
  std::vector<RepConv> layers_;
};
TORCH_MODULE(CspRep);

}  // namespace rtdetr
