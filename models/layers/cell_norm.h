#pragma once

#include <cstdint>

#include <torch/nn.h>

#include "core/tensor/detection.h"
#include "models/layers/init.h"

namespace rtdetr {

/// LayerNorm over a cell's channels with vision transformers' eps, 1e-6. Keys `weight`, `bias` [C].
class CellNormImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit CellNormImpl(std::int64_t channels);
  /// @param x  [..., C]
  Tensor forward(const Tensor& x);
  void init_weights(const WeightDraws& draws) override;

  Tensor weight, bias;

 private:
  static constexpr double kEps = 1e-6;
};
TORCH_MODULE(CellNorm);

/// A map's cells with their channels last, [B, C, H, W] → [B, H, W, C], and back. Nothing is copied.
inline Tensor cells_of(const Tensor& map) { return map.permute({0, 2, 3, 1}); }
inline Tensor map_of(const Tensor& cells) { return cells.permute({0, 3, 1, 2}); }

}  // namespace rtdetr
