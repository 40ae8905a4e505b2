#pragma once

#include <vector>

#include "core/base/random.h"
#include "data/dataset/sample.h"
#include "data/transforms/mosaic.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// A canvas turned about its centre, then shifted; it keeps its size.
struct CanvasTurn {
  double degrees = 0;  ///< clockwise
  double scale = 1;
  int shift_x = 0, shift_y = 0;  ///< pixels
};

/// U(-10, 10) degrees, U(1 - mosaic_scale, 1 + mosaic_scale), and up to mosaic_translate of each side.
CanvasTurn draw_canvas_turn(const TransformOptions& options, int width, int height, Random& random);

/// Each box becomes the upright hull of its turned corners, cut to the canvas.
/// @param boxes  xyxy, pixels of a width × height canvas
void turn_boxes(const CanvasTurn& turn, int width, int height, std::vector<LabelledBox>& boxes);

/// The canvas turned: nearest neighbours, black where it does not reach.
Picture turn_canvas(const CanvasTurn& turn, const Picture& canvas);

/// Draws four pictures as one as DEIM does (docs/reference/official_behaviour.md#deims-mosaic-and-mixup): each is
/// resized so that its shorter side is half of the configured size, put into the corner of its quarter of a black
/// canvas, and the canvas is turned. What follows is the usual augmentation of that one picture, without zoom-out and
/// crop. Arguments as of draw_mosaic.
void draw_turned_mosaic(const MosaicSamples& samples, const TransformOptions& options, std::int64_t epoch,
                        FrameSize frame, Random& random, float* chw, Batch::Image& target);

}  // namespace rtdetr
