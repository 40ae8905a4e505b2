#pragma once

#include <span>
#include <vector>

#include "core/image/fit.h"
#include "core/image/picture_size.h"
#include "core/image/placement.h"
#include "core/tensor/detection.h"
#include "models/graph/model.h"

/// Pictures that were brought into a model's input in any way, and what it found in them.
namespace rtdetr {

/// @throws ConfigError  for pictures that are to be padded, of a model whose head cannot leave padding out
void require_fit(const DetectionModelImpl& model, Fit fit);

/// Zero outside the pictures, as if they had been padded after their normalisation.
/// @param images  [B, 3, H, W]; stays as it is
/// @param sizes   B, of pictures at the top left
Tensor without_padding(const Tensor& images, std::span<const PictureSize> sizes);

/// What Head::postprocess is to multiply boxes with: the pictures' sizes, or of letterboxed ones the input's.
std::vector<PictureSize> sizes_of_boxes(std::span<const Placement> pictures);
/// What boxes in fractions are multiplied with for pixels. @return  [B, 1, 4]: width, height, width, height of each
Tensor sides_of(std::span<const PictureSize> sizes, const torch::TensorOptions& options);
/// Brings boxes in pixels of that size into the picture: those of letterboxed ones are moved, scaled and clipped.
/// @param found  on the host
void bring_into_picture(const Placement& placement, Detections& found);

}  // namespace rtdetr
