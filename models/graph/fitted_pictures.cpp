#include "models/graph/fitted_pictures.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/tensor/upload.h"

namespace rtdetr {

void require_fit(const DetectionModelImpl& model, Fit fit) {
  if (fit != Fit::kKeepRatio || model.head().leaves_out_padding()) return;
  throw ConfigError("fit=keep_ratio pads pictures, and the head of model " + model.spec().name +
                    " cannot leave padding out, only one with encoder_layers can; give fit=letterbox, or fit=stretch");
}

Tensor without_padding(const Tensor& images, std::span<const PictureSize> sizes) {
  Tensor blank = images.clone();
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    const Tensor image = blank[static_cast<std::int64_t>(b)];  // [3, H, W]
    image.slice(1, sizes[b].height).zero_();
    image.slice(2, sizes[b].width).zero_();
  }
  return blank;
}

std::vector<PictureSize> sizes_of_boxes(std::span<const Placement> pictures) {
  std::vector<PictureSize> sizes;
  for (const Placement& placement : pictures)
    sizes.push_back(placement.shares_fractions() ? placement.picture : placement.unit);
  return sizes;
}

Tensor sides_of(std::span<const PictureSize> sizes, const torch::TensorOptions& options) {
  std::vector<double> sides;
  for (const PictureSize& size : sizes) {
    const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
    sides.insert(sides.end(), {width, height, width, height});
  }
  return upload(torch::tensor(sides, options.device(torch::kCPU)).view({-1, 1, 4}), options.device());
}

void bring_into_picture(const Placement& placement, Detections& found) {
  if (placement.shares_fractions()) return;
  const Tensor boxes = found.boxes_xyxy.to(torch::kFloat64, /*non_blocking=*/false, /*copy=*/true).contiguous();
  double* box = boxes.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < boxes.size(0); ++i, box += 4) {
    const std::array<double, 4> inside = placement.to_picture({box[0], box[1], box[2], box[3]});
    std::copy(inside.begin(), inside.end(), box);
  }
  found.boxes_xyxy = boxes.to(found.boxes_xyxy.scalar_type());
}

}  // namespace rtdetr
