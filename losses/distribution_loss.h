#pragma once

#include "core/tensor/distribution_box.h"
#include "losses/options.h"

namespace rtdetr {

/// Layers of a decoder that refines distributions, R queries of the whole batch, and M pairs that all of them share.
struct DistributionSets {
  DistributionOptions options;
  Tensor corners;    ///< [L, R, 4 · bins] logits
  Tensor logits;     ///< [R, C] of the last layer, the teacher
  Tensor boxes;      ///< [L, R, 4] cxcywh
  Tensor reference;  ///< [R, 4] cxcywh, from which all layers start
  Tensor rows;       ///< [M] int64 paired queries, all different
  Tensor wanted;     ///< [M, 4] cxcywh, their targets
};

/// Queries of all pictures that a step learns from (WholeStep), of which a call may see a part.
struct QueryCounts {
  double paired = 0, others = 0;
};

struct DistributionLoss {
  Tensor fgl;  ///< [L] fine-grained localisation: sum over pairs and sides of IoU · cross-entropy towards the two bins
               ///< between which the target's side lies
  Tensor ddf;  ///< [L - 1] decoupled distillation: KL of each layer's distributions to the last layer's, all queries
};

/// D-FINE's losses of distributions (arXiv 2410.13842 §4.2), not weighted; docs/reference/official_behaviour.md#d-fine.
/// Differentiable in `corners` alone; the last layer teaches and does not learn from DDF.
///
/// @param counts   of queries like these: DDF is a mean over the paired ones and a mean over the others; of none it is
/// 0
/// @param balance  the two means are joined in the ratio of the roots of these numbers
DistributionLoss distribution_loss(const DistributionSets& sets, const QueryCounts& counts, const QueryCounts& balance,
                                   const CriterionOptions& options);

}  // namespace rtdetr
