#include "models/layers/cell_norm.h"

#include <torch/torch.h>

namespace rtdetr {

CellNormImpl::CellNormImpl(std::int64_t channels) {
  weight = register_parameter("weight", new_weight({channels}));
  bias = register_parameter("bias", new_weight({channels}));
}

Tensor CellNormImpl::forward(const Tensor& x) { return torch::layer_norm(x, weight.sizes(), weight, bias, kEps); }

void CellNormImpl::init_weights(const WeightDraws&) {
  WeightDraws::constant(weight, 1);
  WeightDraws::constant(bias, 0);
}

}  // namespace rtdetr
