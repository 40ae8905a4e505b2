#include "models/heads/detr/best_pairs.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "models/graph/fitted_pictures.h"

namespace rtdetr {
namespace {

struct Ranked {
  Tensor scores, labels, queries;  ///< [B, D] each, best first
};

Ranked rank_pairs(const Tensor& logits, std::int64_t count) {
  const auto classes = logits.size(2);
  // The sigmoid is monotone, so only the winners need it.
  const auto [best, index] = logits.flatten(1).topk(std::min(count, logits.size(1) * classes), 1);
  return {best.sigmoid(), index.remainder(classes), index.div(classes, "floor")};
}

}  // namespace

std::vector<Detections> best_pairs(const Prediction& prediction, std::span<const PictureSize> sizes,
                                   const PostprocessOptions& options) {
  const auto type = prediction.boxes_cxcywh.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  const Tensor logits = prediction.logits.detach().to(type), boxes = prediction.boxes_cxcywh.detach().to(type);
  const auto batch = logits.size(0);
  check_shape(boxes, {batch, logits.size(1), 4}, "boxes");
  RTDETR_CHECK(static_cast<std::int64_t>(sizes.size()) == batch,
               std::to_string(sizes.size()) + " picture sizes for a batch of " + std::to_string(batch));

  const Ranked ranked = rank_pairs(logits, options.max_detections);
  Tensor xyxy = cxcywh_to_xyxy(boxes).gather(1, ranked.queries.unsqueeze(-1).expand({-1, -1, 4}));
  if (options.clip) xyxy = xyxy.clamp(0, 1);

  const Tensor pixels = xyxy * sides_of(sizes, xyxy.options());
  std::vector<Detections> result;
  for (std::int64_t b = 0; b < batch; ++b) result.push_back({pixels[b], ranked.scores[b], ranked.labels[b]});
  return result;
}

}  // namespace rtdetr
