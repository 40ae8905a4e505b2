#pragma once

#include <array>
#include <optional>

#include "core/base/random.h"
#include "core/image/chw.h"
#include "core/image/picture.h"

namespace rtdetr {

/// One draw of torchvision's RandomPhotometricDistort (step 1 of docs/reference/official_behaviour.md#augmentation).
struct Photometric {
  std::optional<float> brightness;       ///< factor
  std::optional<float> contrast;         ///< factor
  std::optional<float> saturation;       ///< factor
  std::optional<int> hue;                ///< added to Pillow's 8-bit hue, modulo 256
  bool contrast_first = true;            ///< before saturation and hue, else after
  std::array<int, 3> channels{0, 1, 2};  ///< channel c of the result is channel channels[c]

  bool changes_anything() const {
    return brightness || contrast || saturation || hue || channels != std::array<int, 3>{0, 1, 2};
  }
};

/// Each operation is drawn independently with `probability`: brightness U(0.875, 1.125), contrast and saturation
/// U(0.5, 1.5), hue U(-0.05, 0.05) of the circle, a permutation of the channels.
Photometric draw_photometric(double probability, Random& random);

/// Applies a draw with Pillow's arithmetic, bit for bit: ImageEnhance's truncations, the 8-bit HSV round trip.
/// Only what the window shows is computed, except that the contrast's mean is the whole picture's.
/// @param result  gets the picture's size; outside the window its pixels are unspecified
/// @note          about 1–2 ns per pixel and operation
void apply_photometric(const Photometric& photometric, const Picture& picture, const PictureWindow& window,
                       Picture& result);

}  // namespace rtdetr
