// What a set's pairs cost: class, box and GIoU terms.
#include <torch/types.h>

#include <algorithm>

#include "core/tensor/check.h"
#include "losses/box_loss.h"
#include "losses/classification_loss.h"
#include "losses/criterion.h"
#include "losses/pair_rows.h"

namespace rtdetr {
namespace {

/// [M] → [S]
Tensor sum_per_set(const Tensor& values, const std::vector<std::int64_t>& per_set) {
  const auto sets = static_cast<std::int64_t>(per_set.size());
  const bool equal = std::equal(per_set.begin() + 1, per_set.end(), per_set.begin());
  if (equal) return values.view({sets, per_set[0]}).sum(1);
  std::vector<Tensor> sums;
  for (const Tensor& part : values.split_with_sizes(per_set)) sums.push_back(part.sum());
  return torch::stack(sums);
}

}  // namespace

Tensor losses_of_matches(const Tensor& logits, const Tensor& boxes, const BatchTargets& targets,
                         const SetPairs& of_class, const CriterionOptions& options, const SetPairs* of_boxes) {
  const std::int64_t sets = logits.size(0), queries = logits.size(2), classes = logits.size(3);
  check_shape(logits, {static_cast<std::int64_t>(of_class.matches.size()), targets.batch(), queries, classes},
              "logits");
  check_shape(boxes, {sets, targets.batch(), queries, 4}, "boxes");
  const auto rows = [&](const SetPairs& p) {
    return rows_of_pairs(p.matches, queries, targets, p.normalizer, logits.options());
  };
  const auto losses = [&](const PairRows& pairs) {
    return box_loss(boxes.flatten(0, 2).index_select(0, pairs.predicted),
                    targets.boxes_cxcywh.index_select(0, pairs.wanted), options);
  };
  const PairRows pairs = rows(of_class), box_pairs = of_boxes ? rows(*of_boxes) : pairs;
  const BoxLoss box = losses(box_pairs);
  const Tensor quality = of_boxes ? losses(pairs).quality : box.quality;

  CriterionOptions used = options;
  if (options.focal_when_empty && pairs.predicted.size(0) == 0) used.class_loss = ClassLoss::kFocal;
  const Tensor cells = pairs.predicted * classes + targets.labels.index_select(0, pairs.wanted);
  const Tensor class_sums = classification_loss(logits.flatten(1, 2), cells, quality, used);

  const Tensor class_terms = used.class_loss == ClassLoss::kSoftBce ? class_sums / std::max<std::int64_t>(queries, 1)
                                                                    : class_sums / pairs.divisor;
  return torch::stack({class_terms * options.loss_class,
                       sum_per_set(box.l1, box_pairs.per_set) / box_pairs.divisor * options.loss_bbox,
                       sum_per_set(box.giou, box_pairs.per_set) / box_pairs.divisor * options.loss_giou});  // [3, S]
}

}  // namespace rtdetr
