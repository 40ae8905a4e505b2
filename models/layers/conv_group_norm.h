#pragma once

#include "models/layers/block.h"
#include "models/layers/conv.h"
#include "models/layers/init.h"

namespace rtdetr {

/// GroupNorm(conv(x) + bias) with 32 groups and eps 1e-5: how DETRs on deformable attention project their backbone's
/// maps. Keys `0.{weight, bias}`, `1.{weight, bias}`, as in a Sequential.
class ConvGroupNormImpl : public Block, public InitializesWeights {
 public:
  /// @throws ModelError  if 32 groups do not divide the output channels
  explicit ConvGroupNormImpl(const ConvolutionOptions& options);
  Tensor forward(const Tensor& x) override;
  /// @throws ModelError  where height and width are free
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  /// Kernel Xavier-uniform, bias 0.
  void init_weights(const WeightDraws& draws) override;

 private:
  ConvolutionOptions options_;
  Tensor kernel_, bias_;  ///< of the convolution
  Tensor scale_, shift_;  ///< of the norm
};
TORCH_MODULE(ConvGroupNorm);

}  // namespace rtdetr
