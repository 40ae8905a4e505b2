#pragma once

#include <span>

#include <torch/types.h>

#include "core/image/image_size.h"
#include "core/image/picture.h"

namespace rtdetr {

/// Pictures as the model reads them: stretched to `size` (Pillow's antialiased bilinear, as in training), RGB in [0,
/// 1].
/// @return  [B, 3, H, W] float32, channels last
torch::Tensor model_input(std::span<const Picture> pictures, const ImageSize& size);

}  // namespace rtdetr
