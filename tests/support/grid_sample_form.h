#pragma once

#include <torch/types.h>

#include "core/ops/ms_deform_attn.h"

namespace rtdetr::test {

/// Deformable attention as the references compose it, one grid_sample a level. Arguments as ms_deform_attn's.
inline torch::Tensor ms_deform_attn_by_grid_sample(const torch::Tensor& value, const std::vector<LevelShape>& levels,
                                                   const std::vector<std::int64_t>& points,
                                                   const torch::Tensor& locations, const torch::Tensor& weights) {
  const auto batch = value.size(0), heads = value.size(2), channels = value.size(3), queries = locations.size(1);
  torch::Tensor sum = torch::zeros({batch * heads, channels, queries}, value.options());
  std::int64_t token = 0, point = 0;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto [height, width] = levels[l];
    const torch::Tensor map =
        value.narrow(1, token, height * width).permute({0, 2, 3, 1}).reshape({batch * heads, channels, height, width});
    const torch::Tensor grid =
        (locations.narrow(3, point, points[l]) * 2 - 1).transpose(1, 2).flatten(0, 1);  // [B·M, Q, P, 2]
    const torch::Tensor sampled = torch::grid_sampler(map, grid, 0, 0, false);          // [B·M, D, Q, P]
    const torch::Tensor share = weights.narrow(3, point, points[l]).transpose(1, 2).flatten(0, 1).unsqueeze(1);
    sum = sum + (sampled * share).sum(-1);
    token += height * width;
    point += points[l];
  }
  return sum.view({batch, heads * channels, queries}).transpose(1, 2);
}

}  // namespace rtdetr::test
