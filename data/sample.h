#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/io/picture.h"

namespace rtdetr {

/// One labelled box of a picture.
struct LabelledBox {
  std::array<float, 4> xyxy{};  ///< pixels
  std::int32_t label = 0;       ///< contiguous class index
};

/// A picture on its way through the transforms.
struct Sample {
  Picture picture;
  std::vector<LabelledBox> boxes;
  std::int64_t picture_index = 0;           ///< in the dataset
  int original_width = 0, original_height = 0;
};

/// What the trainer receives: plain memory, one contiguous block of pictures.
struct Batch {
  std::int64_t size = 0;                    ///< B
  std::int64_t height = 0, width = 0;
  std::vector<float> images;                ///< [B, 3, H, W] in [0, 1]
  struct Image {
    std::vector<std::int64_t> labels;       ///< [N]
    std::vector<float> boxes_cxcywh;        ///< [N, 4] fraction of the image
    std::int64_t picture_index = 0;
    int original_width = 0, original_height = 0;
  };
  std::vector<Image> targets;               ///< B entries
};

}  // namespace rtdetr
