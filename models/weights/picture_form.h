#pragma once

#include "core/image/fit.h"
#include "core/image/resampling.h"

namespace rtdetr {

/// How pictures of any shape are brought to a model's input.
struct PictureForm {
  Resampling resampling = Resampling::kPillowBilinear;
  Fit fit = Fit::kStretch;
  bool operator==(const PictureForm&) const = default;
};

}  // namespace rtdetr
