#include "models/heads/detr/best_pairs.h"

#include <algorithm>

#include <torch/types.h>

#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "core/tensor/upload.h"

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

/// [B, 1, 4]: width, height, width, height of each picture
Tensor sides_of(std::span<const PictureSize> sizes, const torch::TensorOptions& options) {
  std::vector<double> sides;
  for (const PictureSize& size : sizes) {
    const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
    sides.insert(sides.end(), {width, height, width, height});
  }
  return upload(torch::tensor(sides, options.device(torch::kCPU)).view({-1, 1, 4}), options.device());
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
