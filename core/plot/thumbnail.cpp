#include "core/plot/thumbnail.h"

#include <algorithm>
#include <cmath>

#include "core/image/resize.h"

namespace rtdetr {

PictureSize fitting_size(const PictureSize& picture, int most_width, int most_height) {
  const double scale = std::min(
      {1.0, static_cast<double>(most_width) / picture.width, static_cast<double>(most_height) / picture.height});
  return {std::max(1, static_cast<int>(std::lround(picture.width * scale))),
          std::max(1, static_cast<int>(std::lround(picture.height * scale)))};
}

std::vector<DrawnBox> Thumbnail::scaled(std::vector<DrawnBox> boxes) const {
  for (DrawnBox& box : boxes) {
    box.x0 *= scale_x, box.x1 *= scale_x;
    box.y0 *= scale_y, box.y1 *= scale_y;
  }
  return boxes;
}

Thumbnail thumbnail(const Picture& picture, int most_width, int most_height) {
  const PictureSize size = fitting_size({picture.width, picture.height}, most_width, most_height);
  return {resize(picture, size.width, size.height), static_cast<float>(size.width) / static_cast<float>(picture.width),
          static_cast<float>(size.height) / static_cast<float>(picture.height)};
}

}  // namespace rtdetr
