#include "losses/distribution_loss.h"

#include <cmath>

#include <torch/types.h>

#include "core/tensor/box_ops.h"
#include "core/tensor/upload.h"
#include "losses/box_loss.h"

namespace rtdetr {
namespace {

Tensor log_shares(const Tensor& corners, const DistributionSets& sets, double temperature = 1) {
  return (corners / temperature).unflatten(-1, {std::int64_t{4}, sets.options.bins()}).log_softmax(-1);
}

/// IoU of each layer's boxes with their targets. [L, M]
Tensor overlaps(const DistributionSets& sets, const CriterionOptions& options) {
  const torch::NoGradGuard no_grad;
  return paired_iou(overlap_corners(sets.boxes.index_select(1, sets.rows), options),
                    overlap_corners(sets.wanted, options), options.iou_epsilon)
      .iou;
}

Tensor localisation(const DistributionSets& sets, const Tensor& iou) {
  const Tensor bins = upload(deviations_of_bins(sets.options).to(sets.wanted.scalar_type()), sets.wanted.device());
  const DistributionTargets targets = distribution_targets(sets.reference.index_select(0, sets.rows),
                                                           cxcywh_to_xyxy(sets.wanted), bins, sets.options.scale);
  const Tensor two = torch::stack({targets.bin, targets.bin + 1}, -1);  // [M, 4, 2]
  const Tensor shares = torch::stack({1 - targets.upper_share, targets.upper_share}, -1);
  const Tensor learnt = log_shares(sets.corners.index_select(1, sets.rows), sets);  // [L, M, 4, bins]
  const Tensor found = learnt.gather(-1, two.unsqueeze(0).expand({learnt.size(0), -1, -1, -1}));
  return (-(found * shares).sum({-2, -1}) * iou).sum(1);
}

/// What a sum over the paired queries' sides, and one over the others', counts in DDF.
struct DdfWeights {
  double paired = 0, others = 0;
};
DdfWeights ddf_weights(const QueryCounts& counts, const QueryCounts& balance) {
  const double paired = std::sqrt(balance.paired), others = std::sqrt(balance.others);
  const auto weight = [&](double root, double queries) {
    return queries > 0 ? root / (paired + others) / (4 * queries) : 0;
  };
  return {weight(paired, counts.paired), weight(others, counts.others)};
}

/// [L - 1]
Tensor distillation(const DistributionSets& sets, const Tensor& iou, const DdfWeights& weights, double temperature) {
  const std::int64_t students = sets.corners.size(0) - 1;
  const Tensor teacher = log_shares(sets.corners[students].detach(), sets, temperature);
  const Tensor learnt = log_shares(sets.corners.narrow(0, 0, students), sets, temperature);  // [L - 1, R, 4, bins]
  const Tensor divergence = (teacher.exp() * (teacher - learnt)).sum({-2, -1}) * (temperature * temperature);
  const Tensor sure = sets.logits.detach().amax(-1).sigmoid().expand({students, -1});
  const Tensor own = iou.narrow(0, 0, students);
  const Tensor paired = (divergence.index_select(1, sets.rows) * own).sum(1);
  const Tensor others = (divergence * sure.index_fill(1, sets.rows, 0)).sum(1);
  return paired * weights.paired + others * weights.others;
}

}  // namespace

DistributionLoss distribution_loss(const DistributionSets& sets, const QueryCounts& counts, const QueryCounts& balance,
                                   const CriterionOptions& options) {
  const Tensor iou = overlaps(sets, options);
  return {localisation(sets, iou), distillation(sets, iou, ddf_weights(counts, balance), options.ddf_temperature)};
}

}  // namespace rtdetr
