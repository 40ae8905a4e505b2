#include "losses/batch_targets.h"

#include <torch/types.h>

#include "core/tensor/check.h"
#include "core/tensor/upload.h"

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
  const auto type = like.options().device(torch::kCPU);
  const Tensor all_labels = targets.empty() ? torch::empty({0}, torch::kInt64) : torch::cat(labels);
  const Tensor all_boxes = targets.empty() ? torch::empty({0, 4}, type) : torch::cat(boxes);
  const Tensor image_of_box = torch::tensor(images, torch::kInt64);
  if (!all_labels.is_cpu()) return {all_labels, all_boxes, upload(image_of_box, like.device()), result.offsets};
  const std::vector<Tensor> there = upload({all_labels, all_boxes, image_of_box}, like.device());
  return {there[0], there[1], there[2], result.offsets};
}

}  // namespace rtdetr
