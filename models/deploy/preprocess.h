#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "core/image/fit.h"
#include "core/image/image_size.h"
#include "core/image/image_view.h"
#include "core/image/picture.h"
#include "core/image/placement.h"
#include "core/image/resize.h"

namespace rtdetr {

/// What is made of pictures: that of the training, ModelInfo's.
struct PreprocessOptions {
  ImageSize size;  ///< of the input; with Fit::kKeepRatio its two limits
  Resampling resampling = Resampling::kPillowBilinear;
  Fit fit = Fit::kStretch;
  std::int64_t stride = kUsualStride;  ///< sides of padded batches are multiples of it
};

/// Pictures as the model reads them.
struct ModelInput {
  torch::Tensor images;                  ///< [B, 3, H, W] float32, RGB in [0, 1], channels last
  std::vector<Placement> placements;     ///< B
  std::vector<PictureSize> valid_sizes;  ///< B, of ForwardOptions, where there is padding to leave out; else empty
};

ModelInput preprocess(std::span<const Picture> pictures, const PreprocessOptions& options);

/// The same of pictures in the caller's memory, of which no more is copied than resize_to_chw_float (core/image/chw.h)
/// does. @param pictures  of at least one pixel each, rows that do not overlap
ModelInput preprocess(std::span<const ImageView> pictures, const PreprocessOptions& options);

}  // namespace rtdetr
