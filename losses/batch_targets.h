#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor/detection.h"

namespace rtdetr {

/// The ground truth of a batch, image after image.
struct BatchTargets {
  Tensor labels;                      ///< [N] int64
  Tensor boxes_cxcywh;                ///< [N, 4] fraction of the image
  Tensor images;                      ///< [N] int64, image of each box
  std::vector<std::int64_t> offsets;  ///< B + 1: boxes of image b are rows offsets[b] … offsets[b + 1] - 1

  std::int64_t batch() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t count(std::int64_t image) const { return offsets[image + 1] - offsets[image]; }
};

/// @param targets  best on the CPU, whatever device they are wanted on: their labels are looked at, and one copy brings
///                 all of them there
/// @param like     gives the device and the float type of the boxes
/// @param classes  C
/// @throws InternalError  if a target's labels and boxes disagree in number
/// @throws DataError      if a label is outside [0, C) (of those on the CPU)
BatchTargets collect_targets(std::span<const Target> targets, const Tensor& like, std::int64_t classes);

}  // namespace rtdetr
