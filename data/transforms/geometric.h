#pragma once

#include <vector>

#include "core/base/random.h"
#include "core/image/chw.h"
#include "data/dataset/sample.h"

namespace rtdetr {

/// What is drawn for the shape of one picture; see TransformOptions for the recipe.
struct GeometricOptions {
  double zoom_out = 0.5;       ///< probability of a black margin
  double zoom_out_max = 4.0;   ///< largest canvas side, in picture sides; at least 1
  double iou_crop = 0.8;       ///< probability of trying an IoU crop
  double flip = 0.5;           ///< probability of the horizontal mirror
  double flip_vertical = 0.0;  ///< probability of the vertical mirror
  double rotate90 = 0.0;       ///< probability of a quarter turn
  double min_box = 1.0;        ///< pixels; boxes with a shorter side are dropped
};

/// Where the pixels of the result come from: the picture, turned by a quarter if `quarter_turn`, seen through `window`.
struct Geometry {
  bool quarter_turn = false;  ///< clockwise, before the window is cut
  PictureWindow window;
};

/// Draws zoom-out, IoU crop, mirrors and the quarter turn, in this order, and moves the boxes along. No pixel is
/// touched: the steps compose to one window (steps 2 to 5 of docs/reference/official_behaviour.md#augmentation). Boxes
/// that become smaller than min_box are dropped (SanitizeBoundingBoxes with this min_size).
/// @param boxes  xyxy, pixels of the picture → xyxy, pixels of the window
Geometry draw_geometry(const GeometricOptions& options, int width, int height, std::vector<LabelledBox>& boxes,
                       Random& random);

/// Drops boxes with a side below `least` or a corner outside [0, width] × [0, height].
void drop_small_boxes(std::vector<LabelledBox>& boxes, float width, float height, double least);

/// The picture turned clockwise by a quarter: its left column becomes the top row.
Picture turn_clockwise(const Picture& picture);

}  // namespace rtdetr
