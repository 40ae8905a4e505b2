#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/layers/mlp.h"

namespace rtdetr {

/// How sure a query is of its box ("location quality estimator", D-FINE): sharp distributions of the sides raise the
/// scores of all its classes, flat ones lower them. Keys reg_conf.layers.{0,1}.
class LocationQualityImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit LocationQualityImpl(Activation activation);
  /// @param shares  [B, N, 4, bins] distributions of the four sides
  /// @param type    of the result
  /// @return        [B, N, 1], to be added to every class's logit
  Tensor forward(const Tensor& shares, torch::ScalarType type);
  /// @param shares  [B, 4 N, bins], of the graph's precise type
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& shares) const;
  void init_weights(const WeightDraws& draws) override;  ///< says 0

 private:
  Mlp reg_conf_{nullptr};
};
TORCH_MODULE(LocationQuality);

}  // namespace rtdetr
