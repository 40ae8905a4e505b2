#pragma once

#include "core/tensor/detection.h"
#include "losses/options.h"

namespace rtdetr {

/// Sum of the class loss over all queries and classes, per output set; formulas at ClassLoss.
///
/// @param logits   [S, R, C] float32 or float64; R queries of the whole batch
/// @param cells    [M] int64, matched (set, query, class) as an index into S·R·C; all different
/// @param quality  [M] q of the matched pairs, a constant
/// @return         [S]; differentiable in `logits`, once
/// @note  the derivative is computed with the value, in one pass over the logits: no graph of small operations
Tensor classification_loss(const Tensor& logits, const Tensor& cells, const Tensor& quality,
                           const CriterionOptions& options);

}  // namespace rtdetr
