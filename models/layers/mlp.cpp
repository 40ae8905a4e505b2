#include "models/layers/mlp.h"

#include <torch/types.h>

#include "models/layers/module_tree.h"

namespace rtdetr {

MlpImpl::MlpImpl(std::int64_t in, std::int64_t hidden, std::int64_t out, int num_layers, Activation activation)
    : activation_(activation) {
  for (int k = 0; k < num_layers; ++k) {
    layers.emplace_back(k == 0 ? in : hidden, k + 1 == num_layers ? out : hidden);
    register_at(*this, "layers." + std::to_string(k), layers.back().ptr());
  }
}

Tensor MlpImpl::forward(const Tensor& x) {
  Tensor y = x;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const bool last = k + 1 == layers.size(), relu = activation_ == Activation::kRelu;
    y = layers[k]->forward(y, relu && !last);
    if (!relu && !last) y = activate(y, activation_);
  }
  return y;
}

OnnxValue MlpImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  OnnxValue y = x;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const OnnxBuilder::Scope layer = graph.within("layers." + std::to_string(k));
    y = layers[k]->emit(graph, y);
    if (k + 1 < layers.size()) y = emit_activation(graph, y, activation_);
  }
  return y;
}

}  // namespace rtdetr
