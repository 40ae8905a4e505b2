#pragma once

#include "core/io/picture.h"
#include "core/io/resize.h"

namespace rtdetr {

/// A rectangle of a picture's plane. It may reach beyond the picture: what lies outside is black.
struct PictureWindow {
  int x = 0, y = 0;  ///< top left corner, pixels of the picture; may be negative
  int width = 0, height = 0;
  bool flip_x = false, flip_y = false;  ///< shown mirrored

  static PictureWindow whole(const Picture& picture) { return {0, 0, picture.width, picture.height}; }
};

/// What the model reads: [H, W, 3] bytes → [3, H, W] floats, value / 255.0f, no mean, no deviation (spec/official §0).
/// @param out  3·H·W floats
void to_chw_float(const Picture& picture, float* out);

/// Cuts the window out, mirrors it, resizes it and writes it as to_chw_float would, in one pass over the pixels and
/// with the same bits as these steps one after the other. kPillowBilinear touches only the pixels the window shows;
/// kOpencvLinear, and windows that Pillow resizes height first, go through the steps.
/// @param out  3·height·width floats
/// @throws ConfigError  if a side is not positive
void resize_to_chw_float(const Picture& picture, const PictureWindow& window, int width, int height, Resampling method,
                         float* out);

/// The window as a picture of its own, mirrored, not resized.
Picture cut(const Picture& picture, const PictureWindow& window);

}  // namespace rtdetr
