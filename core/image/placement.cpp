#include "core/image/placement.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rtdetr {
namespace {

/// To the nearest, halves to the even one, as Python's round does; at least a pixel.
int rounded_side(double side) { return std::max(1, static_cast<int>(std::lrint(side))); }

/// The smaller half of what is left of `side`.
int first_half(std::int64_t side, int taken) {
  return static_cast<int>(std::lrint(static_cast<double>(side - taken) / 2 - 0.1));
}

Placement stretched(const PictureSize& picture, const ImageSize& input) {
  Placement placement{.picture = picture};
  placement.width = static_cast<int>(input.width);
  placement.height = static_cast<int>(input.height);
  placement.scale_x = static_cast<double>(placement.width) / picture.width;
  placement.scale_y = static_cast<double>(placement.height) / picture.height;
  placement.unit = {placement.width, placement.height};
  return placement;
}

Placement letterboxed(const PictureSize& picture, const ImageSize& input) {
  Placement placement{.picture = picture};
  const double gain =
      std::min(static_cast<double>(input.height) / picture.height, static_cast<double>(input.width) / picture.width);
  placement.width = rounded_side(picture.width * gain);
  placement.height = rounded_side(picture.height * gain);
  placement.x = first_half(input.width, placement.width);
  placement.y = first_half(input.height, placement.height);
  placement.scale_x = placement.scale_y = gain;
  placement.unit = {static_cast<int>(input.width), static_cast<int>(input.height)};
  return placement;
}

Placement limited(const PictureSize& picture, const ImageSize& limits) {
  const auto [least, most] = std::minmax(limits.width, limits.height);
  const std::int64_t shorter = std::min(picture.width, picture.height),
                     longer = std::max(picture.width, picture.height);
  const auto exact = [&](std::int64_t side) {
    return static_cast<double>(side * longer) / static_cast<double>(shorter);
  };
  const std::int64_t side = exact(least) > static_cast<double>(most)
                                ? rounded_side(static_cast<double>(most * shorter) / static_cast<double>(longer))
                                : least;
  const std::int64_t other = std::min(most, side * longer / shorter);
  const bool is_upright = picture.height > picture.width;
  return stretched(picture, {is_upright ? other : side, is_upright ? side : other});
}

}  // namespace

std::array<double, 4> Placement::to_input(const std::array<double, 4>& xyxy) const {
  return {xyxy[0] * scale_x + x, xyxy[1] * scale_y + y, xyxy[2] * scale_x + x, xyxy[3] * scale_y + y};
}

std::array<double, 4> Placement::to_picture(const std::array<double, 4>& xyxy) const {
  const auto back = [](double side, int margin, double scale, int length) {
    return std::clamp((side - margin) / scale, 0.0, static_cast<double>(length));
  };
  return {back(xyxy[0], x, scale_x, picture.width), back(xyxy[1], y, scale_y, picture.height),
          back(xyxy[2], x, scale_x, picture.width), back(xyxy[3], y, scale_y, picture.height)};
}

Placement place(const PictureSize& picture, const ImageSize& input, Fit fit) {
  RTDETR_CHECK(picture.width > 0 && picture.height > 0 && input.width > 0 && input.height > 0,
               "a picture of " + std::to_string(picture.width) + "x" + std::to_string(picture.height) +
                   " has no place in an input of " + std::to_string(input.width) + "x" + std::to_string(input.height));
  if (fit == Fit::kLetterbox) return letterboxed(picture, input);
  return fit == Fit::kKeepRatio ? limited(picture, input) : stretched(picture, input);
}

ImageSize rounded_up(const ImageSize& size, std::int64_t stride) {
  const auto side = [&](std::int64_t length) { return (length + stride - 1) / stride * stride; };
  return {side(size.height), side(size.width)};
}

ImageSize input_for(std::span<const Placement> pictures, std::int64_t stride) {
  ImageSize size;
  for (const Placement& placement : pictures) {
    size.height = std::max<std::int64_t>(size.height, placement.height);
    size.width = std::max<std::int64_t>(size.width, placement.width);
  }
  return rounded_up(size, stride);
}

ImageSize largest_input(const ImageSize& limits, Fit fit, std::int64_t stride) {
  if (fit != Fit::kKeepRatio) return limits;
  const std::int64_t most = std::max(limits.height, limits.width);
  return rounded_up({most, most}, stride);
}

void fill_around(const Placement& placement, Fit fit, const ChwView& input) {
  const float value = fit == Fit::kLetterbox ? static_cast<float>(kLetterboxGrey) / 255.0f : 0.0f;
  const int right = placement.x + placement.width, below = placement.y + placement.height;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < input.height; ++y) {
      float* row = input.row(c, y);
      const bool shows = y >= placement.y && y < below;
      std::fill(row, row + (shows ? placement.x : input.width), value);
      if (shows) std::fill(row + right, row + input.width, value);
    }
  }
}

ChwView part_of(const Placement& placement, const ChwView& input) {
  return input.part(placement.x, placement.y, placement.width, placement.height);
}

}  // namespace rtdetr
