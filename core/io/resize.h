#pragma once

#include "core/io/picture.h"

namespace rtdetr {

enum class Resampling {
  kPillowBilinear,  ///< antialiased when shrinking; the official pipeline. Bit-exact with Pillow (spec/official §6.3)
  kOpencvLinear,    ///< no antialias; Ultralytics' pipeline
};

Picture resize(const Picture& picture, int width, int height, Resampling method = Resampling::kPillowBilinear);

}  // namespace rtdetr
