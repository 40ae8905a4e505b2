#include "losses/batch_targets.h"

#include <torch/torch.h>

#include "core/tensor/check.h"

namespace rtdetr {
namespace {

void check_labels(const Tensor& labels, std::int64_t image, std::int64_t classes) {
  if (!labels.is_cpu()) return;  // reading them would stop the device's queue
  const auto label = labels.accessor<std::int64_t, 1>();
  for (std::int64_t i = 0; i < label.size(0); ++i) {
    if (label[i] >= 0 && label[i] < classes) continue;
    throw DataError("image " + std::to_string(image) + " of the batch: label " + std::to_string(label[i]) + " of box " +
                    std::to_string(i) + " is outside 0 ... " + std::to_string(classes - 1) +
                    "; the model was built for " + std::to_string(classes) + " classes");
  }
}

}  // namespace

BatchTargets collect_targets(std::span<const Target> targets, const Tensor& like, std::int64_t classes) {
  BatchTargets result;
  result.offsets = {0};
  std::vector<Tensor> labels, boxes;
  std::vector<std::int64_t> images;
  for (const Target& target : targets) {
    const std::int64_t image = result.batch();
    check_shape(target.labels, {-1}, "target labels");
    const std::int64_t count = target.labels.size(0);
    check_shape(target.boxes_cxcywh, {count, 4}, "target boxes");
    labels.push_back(target.labels.to(torch::kInt64));
    check_labels(labels.back(), image, classes);
    boxes.push_back(target.boxes_cxcywh.to(like.scalar_type()));
    images.insert(images.end(), count, image);
    result.offsets.push_back(result.offsets.back() + count);
  }
  result.labels = targets.empty() ? torch::empty({0}, torch::kInt64) : torch::cat(labels);
  result.labels = result.labels.to(like.device());
  result.boxes_cxcywh = targets.empty() ? torch::empty({0, 4}, like.options()) : torch::cat(boxes).to(like.device());
  result.images = torch::tensor(images, torch::kInt64).to(like.device());
  return result;
}

}  // namespace rtdetr
