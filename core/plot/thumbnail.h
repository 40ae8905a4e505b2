#pragma once

#include <vector>

#include "core/image/picture.h"
#include "core/plot/draw.h"

namespace rtdetr {

/// The largest size of a picture's own shape inside these sides, in whole pixels; never larger than the picture is.
PictureSize fitting_size(const PictureSize& picture, int most_width, int most_height);

/// A picture as small as it is shown: what is drawn on it then stays legible, and many of them take little memory.
struct Thumbnail {
  Picture picture;
  float scale_x = 1, scale_y = 1;  ///< its pixels for one of the whole picture

  /// Boxes of the whole picture, in the thumbnail's pixels.
  std::vector<DrawnBox> scaled(std::vector<DrawnBox> boxes) const;
};

/// @throws InternalError  for a picture without pixels
Thumbnail thumbnail(const Picture& picture, int most_width, int most_height);

}  // namespace rtdetr
