#include "train/evaluation/batch_tensors.h"

#include <torch/torch.h>

namespace rtdetr {

torch::Tensor images_of(const Batch& batch) {
  const auto view =
      torch::from_blob(const_cast<float*>(batch.images.data()), {batch.size, 3, batch.height, batch.width});
  return view.clone(torch::MemoryFormat::ChannelsLast);
}

std::vector<Target> targets_of(const Batch& batch) {
  std::vector<Target> targets;
  for (const Batch::Image& image : batch.targets) {
    const auto n = static_cast<std::int64_t>(image.labels.size());
    targets.push_back(
        {torch::tensor(image.labels, torch::kInt64), torch::tensor(image.boxes_cxcywh, torch::kFloat32).view({n, 4})});
  }
  return targets;
}

std::int64_t count_boxes(std::span<const Batch> batches) {
  std::size_t boxes = 0;
  for (const Batch& batch : batches) {
    for (const Batch::Image& image : batch.targets) boxes += image.labels.size();
  }
  return static_cast<std::int64_t>(boxes);
}

}  // namespace rtdetr
