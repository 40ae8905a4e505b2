#pragma once

#include "core/base/random.h"
#include "core/image/chw.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// One draw of Ultralytics' change of colours: hue h is shifted, saturation and value are multiplied.
struct HsvChange {
  double hue = 0;                    ///< added, turns of the circle
  double saturation = 1, value = 1;  ///< factors; what leaves 8 bits is cut off
};

inline bool changes_hsv(const TransformOptions& options) {
  return options.augment && (options.hsv_h > 0 || options.hsv_s > 0 || options.hsv_v > 0);
}

/// Each of the three is uniform within ± its gain (hsv_h, hsv_s, hsv_v).
HsvChange draw_hsv(const TransformOptions& options, Random& random);

/// Changes every pixel by way of OpenCV's 8-bit HSV (hue in half degrees), each of its three channels by a table of
/// truncated values; what is between two bytes is rounded before.
/// @param image  three planes, value / 255, changed in place
void apply_hsv(const HsvChange& change, const ChwView& image);

}  // namespace rtdetr
