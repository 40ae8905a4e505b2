#pragma once

#include <vector>

#include "models/layers/conv.h"

/// Cross-stage-partial blocks of the YOLOv8 family.
namespace rtdetr {

/// Two 3x3 convolutions, plus the input where asked for. Keys cv1, cv2.
class CspBottleneckImpl : public Block {
 public:
  /// @param inner  channels between the two
  CspBottleneckImpl(std::int64_t in, std::int64_t inner, std::int64_t out, bool shortcut, std::int64_t groups,
                    Activation activation, const BatchNormOptions& norm);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  bool add_;
  ConvNormAct cv1_{nullptr}, cv2_{nullptr};
};
TORCH_MODULE(CspBottleneck);

struct C2fOptions {
  std::int64_t in = 0, out = 0, inner = 0;
  std::int64_t layers = 1;
  bool shortcut = false;
  std::int64_t groups = 1;
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
};

/// cv1 gives two halves; bottlenecks go on from the second; cv2 reads all of them. Keys cv1, cv2, m.<k>.cv1, m.<k>.cv2.
class C2fImpl : public Block {
 public:
  explicit C2fImpl(const C2fOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  std::int64_t inner_;
  ConvNormAct cv1_{nullptr}, cv2_{nullptr};
  std::vector<CspBottleneck> layers_;
};
TORCH_MODULE(C2f);

/// Three max-pools in chain: pyramid pooling at the price of one size. Keys cv1, cv2.
class SppfImpl : public Block {
 public:
  SppfImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, Activation activation, const BatchNormOptions& norm);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  std::int64_t kernel_;
  ConvNormAct cv1_{nullptr}, cv2_{nullptr};
};
TORCH_MODULE(Sppf);

}  // namespace rtdetr
