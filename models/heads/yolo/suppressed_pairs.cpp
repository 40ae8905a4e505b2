#include "models/heads/yolo/suppressed_pairs.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "core/tensor/download.h"
#include "models/graph/fitted_pictures.h"

namespace rtdetr {
namespace {

/// A detection at the caller's smallest score is one: what begins a little lower leaves the exact choice to him.
constexpr double kBelow = 0.999;

std::span<const float> numbers_of(const Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

/// What the host needs of a batch: all boxes, and either all logits or the best of them.
struct HostBatch {
  Tensor boxes;   ///< [B, A, 4] xyxy, pixels, float32
  Tensor logits;  ///< [B, A, C], or [B, K] of `places`
  Tensor places;  ///< [B, K] int64 numbers of pairs in [A · C]; undefined: logits has all
  std::int64_t classes = 0;

  std::vector<Candidate> candidates(std::int64_t picture, const SuppressionOptions& options) const {
    if (!places.defined()) return find_candidates(numbers_of(logits[picture]), classes, options);
    const Tensor scores = logits[picture], pairs = places[picture];
    std::vector<Candidate> found;
    for (std::int64_t k = 0; k < scores.size(0); ++k) {
      const float score = scores.const_data_ptr<float>()[k];
      if (std::isnan(score))  // these come first
        throw outputs_not_finite("scores");
      if (!(score > static_cast<float>(options.least_score))) break;  // best first
      const std::int64_t pair = pairs.const_data_ptr<std::int64_t>()[k];
      found.push_back({score, static_cast<std::int32_t>(pair / classes), static_cast<std::int32_t>(pair % classes)});
    }
    return found;
  }
};

HostBatch host_batch(const Prediction& prediction, std::span<const PictureSize> sizes,
                     const SuppressionOptions& options) {
  const Tensor logits = prediction.logits.detach().to(torch::kFloat);
  const Tensor boxes = prediction.boxes_cxcywh.detach().to(torch::kFloat);
  check_shape(boxes, {logits.size(0), logits.size(1), 4}, "boxes");
  RTDETR_CHECK(static_cast<std::int64_t>(sizes.size()) == logits.size(0),
               std::to_string(sizes.size()) + " picture sizes for a batch of " + std::to_string(logits.size(0)));
  HostBatch batch;
  batch.classes = logits.size(2);
  batch.boxes = (cxcywh_to_xyxy(boxes) * sides_of(sizes, boxes.options())).contiguous();
  if (logits.is_cpu()) {
    batch.logits = logits.contiguous();
    return batch;
  }
  const auto [best, places] =
      logits.flatten(1).topk(std::min(options.max_candidates, logits.size(1) * logits.size(2)), 1);
  const std::vector<Tensor> here = download(std::vector<Tensor>{batch.boxes, best, places});
  batch.boxes = here[0];
  batch.logits = here[1];
  batch.places = here[2];
  return batch;
}

Detections detections_of(const Tensor& boxes, const std::vector<Candidate>& kept) {
  std::vector<std::int64_t> rows, labels;
  std::vector<float> logits;
  for (const Candidate& candidate : kept) {
    rows.push_back(candidate.box);
    labels.push_back(candidate.label);
    logits.push_back(candidate.score);
  }
  return {boxes.index_select(0, torch::tensor(rows, torch::kInt64)), torch::tensor(logits, torch::kFloat).sigmoid(),
          torch::tensor(labels, torch::kInt64)};
}

SuppressionOptions chosen_options(SuppressionOptions options, const SuppressionChoice& choice) {
  using Rivals = SuppressionOptions::Rivals;
  if (choice.iou) options.iou = *choice.iou;
  if (choice.across_classes && *choice.across_classes)
    options.rivals = Rivals::kAll;
  else if (choice.across_classes && options.rivals == Rivals::kAll)
    options.rivals = Rivals::kOwnClass;
  return options;
}

/// Inside the picture.
Tensor clipped(const Tensor& boxes, const PictureSize& size) {
  const std::vector<Tensor> sides = boxes.unbind(1);
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  return torch::stack(
      {sides[0].clamp(0, width), sides[1].clamp(0, height), sides[2].clamp(0, width), sides[3].clamp(0, height)}, 1);
}

}  // namespace

std::vector<Detections> suppressed_pairs(const Prediction& prediction, std::span<const PictureSize> sizes,
                                         const SuppressionOptions& suppression, const PostprocessOptions& options) {
  SuppressionOptions of_logits = chosen_options(suppression, options.suppression);
  const double least = std::max(suppression.least_score, kBelow * options.min_score);
  of_logits.least_score = std::log(least / (1 - least));
  of_logits.max_kept = std::min(suppression.max_kept, options.max_detections);
  const HostBatch batch = host_batch(prediction, sizes, of_logits);
  std::vector<Detections> result(sizes.size());
  at::parallel_for(0, batch.boxes.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    const torch::NoGradGuard no_grad;
    for (std::int64_t picture = begin; picture < end; ++picture) {
      const Tensor boxes = batch.boxes[picture];
      const auto kept = suppress(numbers_of(boxes), batch.candidates(picture, of_logits), of_logits);
      Detections found = detections_of(boxes, kept);
      if (options.clip) found.boxes_xyxy = clipped(found.boxes_xyxy, sizes[static_cast<std::size_t>(picture)]);
      result[static_cast<std::size_t>(picture)] = std::move(found);
    }
  });
  const torch::Device device = prediction.logits.device();
  for (Detections& found : result)
    found = {found.boxes_xyxy.to(device), found.scores.to(device), found.labels.to(device)};
  return result;
}

}  // namespace rtdetr
