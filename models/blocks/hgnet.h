#pragma once

#include <vector>

#include "models/layers/conv.h"

/// PP-HGNetV2 (PaddlePaddle): few branches, large dense blocks whose every layer is kept and squeezed at the end.
/// Ultralytics and the official code have the same maths under different keys.
namespace rtdetr {

/// 1x1 convolution, then a depthwise one with ReLU. Keys conv1, conv2.
class LightConvImpl : public Block {
 public:
  /// @param affine  the depthwise one has a learnt affine
  LightConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation,
                const BatchNormOptions& norm, bool affine = false);
  Tensor forward(const Tensor& x) override { return conv2_->forward(conv1_->forward(x)); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  ConvNormAct conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(LightConv);

struct HgStemOptions {
  std::int64_t in = 3, mid = 0, out = 0;
  BatchNormOptions norm;
  bool affine = false;         ///< behind every activation, see ConvNormActOptions
  bool freeze = false;         ///< parameters are not trained
  bool official_keys = false;  ///< the padded convolutions are called conv.1
};

/// Stem of stride 4: [B, in, H, W] → [B, out, H/4, W/4]. Keys stem1, stem2a, stem2b, stem3, stem4.
class HgStemImpl : public Block {
 public:
  explicit HgStemImpl(const HgStemOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  ConvNormAct stem1_{nullptr}, stem2a_{nullptr}, stem2b_{nullptr}, stem3_{nullptr}, stem4_{nullptr};
};
TORCH_MODULE(HgStem);

struct HgBlockOptions {
  std::int64_t in = 0, mid = 0, out = 0;
  std::int64_t kernel = 3;
  std::int64_t layers = 6;
  bool light = false;     ///< LightConv instead of ConvNormAct
  bool shortcut = false;  ///< adds the input where its channels fit
  Activation activation = Activation::kRelu;
  BatchNormOptions norm;
  bool affine = false;  ///< behind every activation, see ConvNormActOptions
  bool freeze = false;  ///< parameters are not trained
  enum class Keys {
    kUltralytics,  ///< m.<k>, sc, ec
    kOfficial,     ///< layers.<k>, aggregation_squeeze_conv, aggregation_excitation_conv
    kDfine,        ///< layers.<k>, aggregation.0, aggregation.1
  } keys = Keys::kUltralytics;
};

/// Layers in sequence; input and all outputs are concatenated, squeezed to out / 2, excited to out.
class HgBlockImpl : public Block {
 public:
  explicit HgBlockImpl(const HgBlockOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  bool add_;
  std::vector<BlockPtr> layers_;
  ConvNormAct squeeze_{nullptr}, excite_{nullptr};
};
TORCH_MODULE(HgBlock);

}  // namespace rtdetr
