#pragma once

#include <span>

#include <torch/types.h>

#include "core/image/image_size.h"
#include "core/image/image_view.h"
#include "core/image/picture.h"
#include "core/image/resize.h"

namespace rtdetr {

/// Pictures as the model reads them: stretched to `size`, RGB in [0, 1].
/// @param resampling  that of the training: ModelInfo::resampling
/// @return            [B, 3, H, W] float32, channels last
torch::Tensor preprocess(std::span<const Picture> pictures, const ImageSize& size, Resampling resampling);

/// The same of pictures in the caller's memory, of which no more is copied than resize_to_chw_float (core/image/chw.h)
/// does. @param pictures  of at least one pixel each, rows that do not overlap
torch::Tensor preprocess(std::span<const ImageView> pictures, const ImageSize& size, Resampling resampling);

}  // namespace rtdetr
