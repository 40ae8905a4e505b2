#pragma once

#include <vector>

#include "models/layers/conv.h"

/// ResNet as Ultralytics writes it: SiLU inside the blocks, ReLU behind the sum. Its ImageNet weights do not exist.
namespace rtdetr {

struct ResNetLayerOptions {
  std::int64_t in = 0, mid = 64;
  std::int64_t stride = 1;
  bool is_first = false;  ///< the stem instead: 7x7 stride 2 to `mid` channels and a max-pool
  std::int64_t blocks = 1;
  Activation activation = Activation::kSilu;
  BatchNormOptions norm;
};

/// Keys layer.<k>.{cv1, cv2, cv3[, shortcut.0]}, of the stem layer.0. Output channels 4 · mid (stem: mid).
class ResNetLayerImpl : public Block {
 public:
  explicit ResNetLayerImpl(const ResNetLayerOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  bool pool_;
  std::vector<BlockPtr> layers_;
};
TORCH_MODULE(ResNetLayer);

}  // namespace rtdetr
