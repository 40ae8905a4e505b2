#include "data/dataset/box_convention.h"

namespace rtdetr {

void BoxConvention::add(const std::array<double, 4>& box_xywh, int width, int height) {
  constexpr double kEdge = 1;            // pixels that annotation tools are off at the edge
  constexpr double kRounded = 1 + 1e-3;  // of a fraction
  const auto [x, y, w, h] = box_xywh;
  if (width < 2 || height < 2) return;
  ++boxes_;
  beyond_ += x + w > width + kEdge || y + h > height + kEdge;
  corners_ = corners_ && x >= -kEdge && y >= -kEdge && w > x && h > y && w <= width + kEdge && h <= height + kEdge;
  fractions_ = fractions_ && x >= 0 && y >= 0 && x + w <= kRounded && y + h <= kRounded;
}

}  // namespace rtdetr
