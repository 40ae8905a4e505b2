#pragma once

#include <vector>

#include <torch/nn/module.h>

#include "models/layers/basic.h"

namespace rtdetr {

/// Linear layers with an activation between them and none at the end. Keys `layers.<k>.{weight,bias}`.
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(std::int64_t in, std::int64_t hidden, std::int64_t out, int num_layers,
          Activation activation = Activation::kRelu);
  Tensor forward(const Tensor& x);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const;

  std::vector<Linear> layers;

 private:
  Activation activation_;
};
TORCH_MODULE(Mlp);

}  // namespace rtdetr
