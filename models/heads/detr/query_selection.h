#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "core/ops/ms_deform_attn.h"
#include "models/layers/recent_tables.h"

/// The encoder's tokens as proposals: their anchor boxes, and which of them become queries.
namespace rtdetr {

inline constexpr double kFinestSide = 0.05;                              ///< of level 0's anchors, fraction of image
inline constexpr std::int64_t kLowestPercent = 1, kHighestPercent = 99;  ///< open interval of official coordinates
bool is_official(double coordinate);                                     ///< whether it lies in there
double side_logit(double side);                                          ///< of a level's anchors; finite

struct AnchorOptions {
  /// Official: an anchor with a coordinate outside (0.01, 0.99) has an infinite logit and its token is set to zero
  /// before it is scored, yet it may still be selected (docs/reference/official_behaviour.md#queries). Fixed: every
  /// anchor is ordinary.
  bool official_border = true;
};

struct Anchors {
  torch::Tensor logits;  ///< [1, S, 4] cxcywh before the sigmoid
  torch::Tensor valid;   ///< [1, S, 1] bool; undefined when all are
};

/// One square anchor per token, centred in its cell; its side is 0.05 of the image on level 0 and doubles per level.
/// Computed in float64, then rounded to `options`' type.
/// @param valid  cells of each level that a padded picture has, of which positions are fractions; all others have an
///               infinite logit and are not valid. By default all
Anchors make_anchors(const std::vector<LevelShape>& levels, const AnchorOptions& options,
                     const torch::TensorOptions& tensor_options, const std::vector<LevelShape>& valid = {});
/// The same of a batch. @param valid  B entries  @return  [B, S, …]
Anchors make_anchors_of_padded(const std::vector<LevelShape>& levels, const AnchorOptions& options,
                               const torch::TensorOptions& tensor_options,
                               const std::vector<std::vector<LevelShape>>& valid);

/// Anchors of recent map sizes. Safe to use from several threads.
class AnchorCache {
 public:
  explicit AnchorCache(AnchorOptions options) : options_(options) {}
  Anchors get(const std::vector<LevelShape>& levels, const torch::TensorOptions& tensor_options);

 private:
  AnchorOptions options_;
  RecentTables<std::vector<LevelShape>, Anchors> tables_;
};

enum class QuerySelection {
  kBestClass,  ///< the tokens with the highest best class (the default of v1 and v2)
  kOneToMany,  ///< the highest (token, class) pairs; a token may be taken several times (v2 `one2many`)
};

/// @param logits  [B, S, C]
/// @return        [B, min(count, S)] int64, best first
torch::Tensor select_queries(const torch::Tensor& logits, std::int64_t count, QuerySelection method);

/// Rows `indices` [B, Q] of `tokens` [B, S, D] → [B, Q, D]; differentiable.
torch::Tensor gather_tokens(const torch::Tensor& tokens, const torch::Tensor& indices);

}  // namespace rtdetr
