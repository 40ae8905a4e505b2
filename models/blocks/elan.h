#pragma once

#include "models/blocks/rep.h"

/// D-FINE's fusion of maps (arXiv 2410.13842, GELAN of YOLOv9 with RepVGG inside): where RT-DETR has one block of two
/// branches, halves of the input go through two of them in chain and all that arises is kept.
namespace rtdetr {

struct RepElanOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t hidden = 0;  ///< channels behind the first convolution; even
  std::int64_t inner = 0;   ///< channels of the two blocks
  std::int64_t layers = 3;  ///< RepVGG layers in each
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
  bool split = false;  ///< DEIMv2's inner blocks, see CspRepOptions
};

/// out = cv4([h1, h2, cv2(h2), cv3(cv2(h2))]), [h1, h2] = cv1(x). Keys cv1, cv2.0 (CspRep), cv2.1, cv3.0, cv3.1, cv4.
class RepElanImpl : public Block {
 public:
  explicit RepElanImpl(const RepElanOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  std::int64_t half_;
  ConvNormAct cv1_{nullptr}, cv4_{nullptr};
  CspRep rep2_{nullptr}, rep3_{nullptr};
  ConvNormAct conv2_{nullptr}, conv3_{nullptr};
};
TORCH_MODULE(RepElan);

/// A smaller map in two steps without activation: 1x1 for the channels, then a depthwise convolution with a stride
/// (YOLOv10's SCDown). Keys cv1, cv2.
class ScDownImpl : public Block {
 public:
  ScDownImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, const BatchNormOptions& norm);
  Tensor forward(const Tensor& x) override { return cv2_->forward(cv1_->forward(x)); }
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override {
    return graph.emit("cv2", cv2_, graph.emit("cv1", cv1_, x));
  }

 private:
  ConvNormAct cv1_{nullptr}, cv2_{nullptr};
};
TORCH_MODULE(ScDown);

}  // namespace rtdetr
