#pragma once

#include <cstddef>

#include "core/image/image_view.h"
#include "core/image/picture.h"
#include "core/image/resize.h"

namespace rtdetr {

/// A rectangle of a picture's plane. It may reach beyond the picture: what lies outside is black.
struct PictureWindow {
  int x = 0, y = 0;  ///< top left corner, pixels of the picture; may be negative
  int width = 0, height = 0;
  bool flip_x = false, flip_y = false;  ///< shown mirrored

  static PictureWindow whole(const RgbView& picture) { return {0, 0, picture.width, picture.height}; }
};

/// Where floats go: three planes of height × width, which may be a part of larger ones.
struct ChwView {
  float* data = nullptr;  ///< first float of the red plane's first row
  int width = 0, height = 0;
  std::ptrdiff_t row_step = 0, plane_step = 0;  ///< floats from one to the next

  static ChwView whole(float* data, int width, int height) {
    return {data, width, height, width, static_cast<std::ptrdiff_t>(width) * height};
  }
  ChwView part(int x, int y, int part_width, int part_height) const {
    return {data + y * row_step + x, part_width, part_height, row_step, plane_step};
  }
  float* row(int channel, int y) const { return data + channel * plane_step + y * row_step; }
};

/// What the model reads: [H, W, 3] bytes → [3, H, W] floats, value / 255.0f, no mean, no deviation
/// (docs/reference/official_behaviour.md#input).
/// @param out  3·H·W floats
void to_chw_float(const Picture& picture, float* out);
/// @param out  as large as the picture
void to_chw_float(const Picture& picture, const ChwView& out);

/// Cuts the window out, mirrors it, resizes it and writes it as to_chw_float would, in one pass over the pixels and
/// with the same bits as these steps one after the other. kPillowBilinear touches only the pixels the window shows;
/// kOpencvLinear goes through the steps.
/// @param out  3·height·width floats
/// @throws ConfigError  if a side is not positive
void resize_to_chw_float(const RgbView& picture, const PictureWindow& window, int width, int height, Resampling method,
                         float* out);
/// The same into a part of a larger picture. @param out  its size is the target
void resize_to_chw_float(const RgbView& picture, const PictureWindow& window, Resampling method, const ChwView& out);

/// The same of a whole picture in any format. kPillowBilinear turns its rows to RGB as it comes to them; kOpencvLinear
/// goes through a copy in RGB.
void resize_to_chw_float(const ImageView& picture, int width, int height, Resampling method, float* out);
/// The same into a part of a larger picture. @param out  its size is the target
void resize_to_chw_float(const ImageView& picture, Resampling method, const ChwView& out);

/// The window as a picture of its own, mirrored, not resized.
Picture cut(const RgbView& picture, const PictureWindow& window);

}  // namespace rtdetr
