#include "train/evaluation/batch_tensors.h"

#include <torch/types.h>

namespace rtdetr {
namespace {

torch::Tensor images_of(const Batch& batch, torch::Device device) {
  const auto view =
      torch::from_blob(const_cast<float*>(batch.images.data()), {batch.size, 3, batch.height, batch.width});
  return torch::empty(view.sizes(), view.options().device(device), torch::MemoryFormat::ChannelsLast)
      .copy_(view, /*non_blocking=*/true);
}

std::vector<Target> targets_of(const Batch& batch) {
  std::vector<std::int64_t> counts, labels;
  std::vector<float> boxes;
  for (const Batch::Image& image : batch.targets) {
    counts.push_back(static_cast<std::int64_t>(image.labels.size()));
    labels.insert(labels.end(), image.labels.begin(), image.labels.end());
    boxes.insert(boxes.end(), image.boxes_cxcywh.begin(), image.boxes_cxcywh.end());
  }
  const auto all_labels = torch::tensor(labels, torch::kInt64).split_with_sizes(counts);
  const auto all_boxes = torch::tensor(boxes, torch::kFloat32).view({-1, 4}).split_with_sizes(counts);
  std::vector<Target> targets;
  for (std::size_t i = 0; i < counts.size(); ++i) targets.push_back({all_labels[i], all_boxes[i]});
  return targets;
}

std::vector<PictureSize> valid_sizes_of(const Batch& batch) {
  std::vector<PictureSize> sizes;
  if (!batch.is_padded) return sizes;
  for (const Batch::Image& image : batch.targets) sizes.push_back(image.placement.unit);
  return sizes;
}

}  // namespace

BatchTensors batch_tensors(const Batch& batch, torch::Device device) {
  return {images_of(batch, device), targets_of(batch), valid_sizes_of(batch)};
}

void leave_out_repeated(Batch& batch) {
  batch.size -= batch.repeated;
  batch.repeated = 0;
  batch.targets.resize(static_cast<std::size_t>(batch.size));
}

std::int64_t count_boxes(std::span<const Batch> batches) {
  std::size_t boxes = 0;
  for (const Batch& batch : batches) {
    for (const Batch::Image& image : batch.targets) boxes += image.labels.size();
  }
  return static_cast<std::int64_t>(boxes);
}

}  // namespace rtdetr
