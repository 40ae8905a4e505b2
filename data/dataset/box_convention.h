#pragma once

#include <array>
#include <cstdint>

namespace rtdetr {

/// Tells boxes that are not [x, y, width, height] in pixels by what all of them have in common. Such boxes are numbers
/// like any other; only together do they give themselves away.
class BoxConvention {
 public:
  void add(const std::array<double, 4>& box_xywh, int width, int height);

  /// [x0, y0, x1, y1]: taken so, every box lies in its picture, and taken as sizes, a quarter reaches beyond it.
  bool are_corners() const { return corners_ && boxes_ >= kFew && 4 * beyond_ >= boxes_; }
  /// Parts of the picture: every box lies within the first pixel.
  bool are_fractions() const { return fractions_ && boxes_ >= kFew; }

 private:
  static constexpr std::int64_t kFew = 3;  ///< so few may be so by chance

  std::int64_t boxes_ = 0, beyond_ = 0;
  bool corners_ = true, fractions_ = true;
};

}  // namespace rtdetr
