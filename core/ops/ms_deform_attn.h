#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "core/ops/ms_deform_attn_shape.h"

namespace rtdetr {

/// Height and width of one feature level.
struct LevelShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  bool operator==(const LevelShape&) const = default;
};

/// Multi-scale deformable attention (Deformable DETR §4.1; RT-DETRv2 for several points per level and discrete
/// sampling). Differentiable in value, locations and weights. The CPU backward is deterministic for any number of
/// threads: every gradient has a single writer. Half types are computed in float32 and returned in value's type; on
/// CUDA the half values themselves are read and written, and only locations and weights are made float32.
///
/// @param value      [B, S, M, D]  tokens of all levels one after another, row-major inside a level
/// @param levels     L shapes, Σ height·width = S
/// @param points     L points per level, Σ = P
/// @param locations  [B, Q, M, P, 2]  x, y as fractions of the level; points level by level
/// @param weights    [B, Q, M, P]  already normalised
/// @return           [B, Q, M·D]
/// @throws InternalError  if shapes do not fit; Error if the device has no kernel
torch::Tensor ms_deform_attn(const torch::Tensor& value, const std::vector<LevelShape>& levels,
                             const std::vector<std::int64_t>& points, const torch::Tensor& locations,
                             const torch::Tensor& weights, SamplingMethod method = SamplingMethod::kBilinear);

}  // namespace rtdetr
