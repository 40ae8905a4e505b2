#pragma once

#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/ops/ms_deform_attn.h"
#include "models/layers/basic.h"
#include "models/layers/free_levels.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

struct DeformableAttentionOptions {
  std::int64_t dim = 256;
  std::int64_t heads = 8;
  std::vector<std::int64_t> points = {4, 4, 4};  ///< per level
  SamplingMethod sampling = SamplingMethod::kBilinear;
  bool projections = true;  ///< of values and result; without, heads are cut from the tokens as they are (D-FINE)
  bool points_scale_buffer = false;  ///< register `num_points_scale` (1 / points of the level), as RT-DETRv2 does
};

/// What the layers of an ONNX graph sample.
struct OnnxSampling {
  std::vector<LevelShape> levels;
  OnnxValue first_rows;      ///< [B, 1, 1, 1] int64: image · S · M, where its rows of D/M values begin
  bool grid_sample = false;  ///< bilinear values by GridSample instead of Gather
  OnnxFreeLevels free;       ///< in the place of `levels` where the sizes are free
};

/// Multi-scale deformable cross-attention (Deformable DETR §4.1): every query samples a few learnt points around its
/// reference box on every level. Keys: sampling_offsets, attention_weights[, value_proj, output_proj].
/// With discrete sampling the offsets' parameters need no gradient, as they can get none.
class DeformableAttentionImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit DeformableAttentionImpl(DeformableAttentionOptions options);

  /// @param query      [B, Q, D] content plus position
  /// @param reference  [B, Q, 4] cxcywh, fraction of image; float32 or float64. Or for every level its own, fraction of
  ///                   its map: boxes [B, Q, L, 4], or points [B, Q, L, 2], from which an offset of 1 is one cell
  /// @param memory     [B, S, D] tokens of all levels
  /// @param hidden     [B, S] bool: tokens whose values count as 0; undefined: none
  /// @return           [B, Q, D]
  torch::Tensor forward(const torch::Tensor& query, const torch::Tensor& reference, const torch::Tensor& memory,
                        const std::vector<LevelShape>& levels, const torch::Tensor& hidden = {});
  /// @param reference  of the graph's precise type: boxes [B, Q, 4], or points [1 or B, Q, 2] that are the same for all
  ///                   levels, whose sizes are then known; these not of the native dialect
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& query, const OnnxValue& reference, const OnnxValue& memory,
                 const OnnxSampling& sampling) const;

  /// Offsets start as a compass: head h looks into the h-th of `heads` directions, point p of a level goes p + 1 steps
  /// far; attention starts uniform.
  void init_weights(const WeightDraws& draws) override;

  const DeformableAttentionOptions& options() const { return options_; }

  Linear sampling_offsets{nullptr}, attention_weights{nullptr};
  Linear value_proj{nullptr}, output_proj{nullptr};  ///< empty without projections
  torch::Tensor num_points_scale;                    ///< [P] buffer, or undefined

 private:
  torch::Tensor compass() const;
  /// size · 0.5 / points of the level: what one unit of an offset means. [B, Q, 1, 1, 2] → [B, Q, 1, 1 or P, 2]
  torch::Tensor offset_unit(const torch::Tensor& size) const;
  /// @param offsets  [B, Q, M, P, 2]  @return  the same shape
  torch::Tensor locations(const torch::Tensor& offsets, const torch::Tensor& reference,
                          const std::vector<LevelShape>& levels) const;
  torch::Tensor unit_of_sides() const;
  OnnxValue emit_offsets(OnnxBuilder& graph, const OnnxValue& query, const torch::Tensor& unit) const;
  /// What is mixed, before the last projection.
  OnnxValue emit_mixed(OnnxBuilder& graph, const OnnxValue& value, const OnnxValue& query, const OnnxValue& reference,
                       const OnnxSampling& sampling) const;
  OnnxValue emit_native(OnnxBuilder& graph, const OnnxValue& value, const OnnxValue& query, const OnnxValue& reference,
                        const OnnxSampling& sampling) const;
  OnnxValue emit_locations(OnnxBuilder& graph, const OnnxValue& query, const OnnxValue& reference,
                           const std::vector<LevelShape>& levels) const;

  DeformableAttentionOptions options_;
  std::int64_t total_points_ = 0;
};
TORCH_MODULE(DeformableAttention);

}  // namespace rtdetr
