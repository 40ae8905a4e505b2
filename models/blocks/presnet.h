#pragma once

#include <string>
#include <vector>

#include "models/layers/conv.h"

/// ResNet as RT-DETR uses it (PaddleDetection's, variants a to d). The stem is three ConvNorm rows and a max-pool; this
/// is one stage.
namespace rtdetr {

struct PResNetStageOptions {
  std::int64_t in = 0;
  std::int64_t width = 64;  ///< output channels are width, or 4 · width with bottlenecks
  std::int64_t stride = 1;  ///< of the first block
  std::int64_t blocks = 2;
  bool bottleneck = false;  ///< 1x1, 3x3, 1x1 instead of 3x3, 3x3
  char variant = 'd';       ///< d: average pooling in the shortcut; a: stride in the 1x1 instead of the 3x3
  Activation activation = Activation::kRelu;
  BatchNormOptions norm;
  bool freeze = false;       ///< parameters are not trained
  bool torchvision = false;  ///< torchvision's keys
};

/// Keys blocks.<k>.{branch2a, branch2b[, branch2c][, short]}, or torchvision's <k>.{conv1, bn1, conv2, bn2[, conv3,
/// bn3][, downsample]}.
class PResNetStageImpl : public Block {
 public:
  explicit PResNetStageImpl(const PResNetStageOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  std::vector<BlockPtr> blocks_;
};
TORCH_MODULE(PResNetStage);

}  // namespace rtdetr
