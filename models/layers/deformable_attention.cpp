#include "models/layers/deformable_attention.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/autocast.h"
#include "core/tensor/check.h"
#include "core/tensor/upload.h"

namespace rtdetr {
namespace {

constexpr double kOffsetScale = 0.5;  // an offset of `points` steps reaches the border of the reference box

/// 1 / points of the level, for every point.
template <typename T>
std::vector<T> points_scale(const std::vector<std::int64_t>& points) {
  std::vector<T> scale;
  for (const auto count : points) scale.insert(scale.end(), count, T(1) / static_cast<T>(count));
  return scale;
}

}  // namespace

DeformableAttentionImpl::DeformableAttentionImpl(DeformableAttentionOptions options) : options_(std::move(options)) {
  const auto dim = options_.dim, heads = options_.heads;
  RTDETR_CHECK(heads > 0 && dim % heads == 0,
               "attention width " + std::to_string(dim) + " is no multiple of " + std::to_string(heads) + " heads");
  total_points_ = std::accumulate(options_.points.begin(), options_.points.end(), std::int64_t{0});
  if (options_.points_scale_buffer)
    num_points_scale =
        register_buffer("num_points_scale", torch::tensor(points_scale<float>(options_.points)).to(weight_device()));

  sampling_offsets = register_module("sampling_offsets", Linear(dim, heads * total_points_ * 2));
  attention_weights = register_module("attention_weights", Linear(dim, heads * total_points_));
  if (options_.projections) {
    value_proj = register_module("value_proj", Linear(dim, dim));
    output_proj = register_module("output_proj", Linear(dim, dim));
  }

  if (options_.sampling != SamplingMethod::kBilinear) {
    sampling_offsets->weight.set_requires_grad(false);
    sampling_offsets->bias.set_requires_grad(false);
  }
}

void DeformableAttentionImpl::init_weights(const WeightDraws& draws) {
  WeightDraws::constant(sampling_offsets->weight, 0);
  WeightDraws::constant(attention_weights->weight, 0);
  WeightDraws::constant(attention_weights->bias, 0);
  const torch::NoGradGuard no_grad;
  sampling_offsets->bias.copy_(compass());
  if (!options_.projections) return;
  draws.xavier_uniform(value_proj->weight, "value_proj.weight");
  draws.xavier_uniform(output_proj->weight, "output_proj.weight");
  WeightDraws::constant(value_proj->bias, 0);
  WeightDraws::constant(output_proj->bias, 0);
}

torch::Tensor DeformableAttentionImpl::compass() const {
  std::vector<float> offsets;
  for (std::int64_t head = 0; head < options_.heads; ++head) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(head) / static_cast<double>(options_.heads);
    const double longest = std::max(std::abs(std::cos(angle)), std::abs(std::sin(angle)));
    for (const auto points : options_.points) {
      for (std::int64_t p = 1; p <= points; ++p) {
        offsets.push_back(static_cast<float>(std::cos(angle) / longest * static_cast<double>(p)));
        offsets.push_back(static_cast<float>(std::sin(angle) / longest * static_cast<double>(p)));
      }
    }
  }
  return torch::tensor(offsets);
}

torch::Tensor DeformableAttentionImpl::offset_unit(const torch::Tensor& size) const {
  const auto& points = options_.points;
  if (num_points_scale.defined()) return size * (num_points_scale.to(size.scalar_type()).unsqueeze(-1) * kOffsetScale);
  if (std::all_of(points.begin(), points.end(), [&](auto count) { return count == points[0]; }))
    return size * (kOffsetScale / static_cast<double>(points[0]));
  const torch::Tensor scale = torch::tensor(points_scale<double>(points), size.scalar_type());
  return size * (upload(scale, size.device()).unsqueeze(-1) * kOffsetScale);
}

namespace {

/// [B, Q, L, C] → [B, Q, 1, P, C]
torch::Tensor for_points(const torch::Tensor& of_levels, const std::vector<std::int64_t>& points) {
  std::vector<torch::Tensor> parts;
  for (std::size_t l = 0; l < points.size(); ++l)
    parts.push_back(of_levels.narrow(2, static_cast<std::int64_t>(l), 1).expand({-1, -1, points[l], -1}));
  return torch::cat(parts, 2).unsqueeze(2);
}

/// [1, 1, L, 2] width and height of a level's cell, as fractions of its map
torch::Tensor cell_sizes(const std::vector<LevelShape>& levels, const torch::Tensor& like) {
  std::vector<double> sizes;
  for (const LevelShape& level : levels)
    sizes.insert(sizes.end(), {1 / static_cast<double>(level.width), 1 / static_cast<double>(level.height)});
  const torch::Tensor table = torch::tensor(sizes, like.scalar_type()).view({1, 1, -1, 2});
  return like.is_cuda() ? upload(table, like.device()) : table.to(like.device());
}

}  // namespace

torch::Tensor DeformableAttentionImpl::locations(const torch::Tensor& offsets, const torch::Tensor& reference,
                                                 const std::vector<LevelShape>& levels) const {
  if (reference.dim() == 3) {
    const auto box = reference.view({reference.size(0), reference.size(1), 1, 1, 4});
    const auto centre = box.narrow(-1, 0, 2), size = box.narrow(-1, 2, 2);
    return torch::addcmul(centre, offsets, offset_unit(size));
  }
  const torch::Tensor of_points = for_points(reference, options_.points);
  if (reference.size(-1) == 2)
    return torch::addcmul(of_points, offsets, for_points(cell_sizes(levels, reference), options_.points));
  return torch::addcmul(of_points.narrow(-1, 0, 2), offsets, offset_unit(of_points.narrow(-1, 2, 2)));
}

torch::Tensor DeformableAttentionImpl::forward(const torch::Tensor& query, const torch::Tensor& reference,
                                               const torch::Tensor& memory, const std::vector<LevelShape>& levels,
                                               const torch::Tensor& hidden) {
  const auto batch = query.size(0), queries = query.size(1), heads = options_.heads;
  auto values = options_.projections ? within_float16(value_proj(memory)) : memory;
  if (hidden.defined()) values = values.masked_fill(hidden.unsqueeze(-1), 0);
  const auto value = values.view({batch, -1, heads, options_.dim / heads});  // [B, S, M, D/M]
  const auto offsets =
      sampling_offsets(query).view({batch, queries, heads, total_points_, 2}).to(reference.scalar_type());
  const auto weights = attention_weights(query).view({batch, queries, heads, total_points_}).softmax(-1);

  const auto mixed =
      ms_deform_attn(value, levels, options_.points, locations(offsets, reference, levels), weights, options_.sampling);
  return options_.projections ? output_proj(mixed) : mixed;
}

}  // namespace rtdetr
