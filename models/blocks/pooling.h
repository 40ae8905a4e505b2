#pragma once

#include "models/layers/conv.h"

/// Blocks of DEIMv2's light encoder (arXiv 2509.20787), which has pools where D-FINE's has attention and convolutions
/// with a stride.
namespace rtdetr {

/// The mean of every k x k window, zeros around the map counted, then a 1x1 unit. Keys `1` (convolution), `2` (norm).
class AvgPoolConvImpl : public ConvNormActImpl {
 public:
  /// @param unit    the 1x1 unit
  /// @param window  k, odd
  AvgPoolConvImpl(ConvNormActOptions unit, std::int64_t window, std::int64_t stride);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  /// The reference's own deployment does not fold this norm.
  std::int64_t deployed_parameters(Deployment deployment) const override;

 private:
  std::int64_t window_, stride_;
};
TORCH_MODULE(AvgPoolConv);

/// A 1x1 unit of what every cell holds plus the mean of its channel. Key `cv`.
class GlobalFusionImpl : public Block {
 public:
  GlobalFusionImpl(std::int64_t in, std::int64_t out, Activation activation, const BatchNormOptions& norm);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  ConvNormAct cv_{nullptr};
};
TORCH_MODULE(GlobalFusion);

}  // namespace rtdetr
