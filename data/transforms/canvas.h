#pragma once

#include <algorithm>
#include <vector>

#include "core/base/random.h"
#include "core/image/chw.h"
#include "core/image/placement.h"
#include "data/dataset/sample.h"
#include "data/transforms/transforms.h"

/// Pictures on Ultralytics' grey canvas, of which a frame shows a part: without rotation and shear its warp is a scale
/// and a shift, so every picture ends as an upright rectangle of the frame. Those rectangles are computed first, at
/// whole pixels, and each is filled from the part of its picture that it shows.
namespace rtdetr {

/// [begin, end) along one axis, pixels.
struct Span {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
  Span clipped(Span to) const { return {std::max(begin, to.begin), std::min(end, to.end)}; }
};

/// Along one axis: where a picture lies, and where in the frame there is canvas.
struct TileAxis {
  Span tile, canvas;
};

/// Scale and shift of a canvas along one axis: its coordinate c is seen at scale · (c - center) + shift.
struct CanvasView {
  double scale = 1, center = 0, shift = 0;
  int operator()(double canvas) const;
};

/// U(1 - mosaic_scale, 1 + mosaic_scale).
double draw_canvas_scale(const TransformOptions& options, Random& random);
/// Where the middle of a canvas is seen: in the middle of the frame, give or take mosaic_translate of its side.
double draw_canvas_shift(const TransformOptions& options, std::int64_t frame, Random& random);

/// The part of a frame that a picture fills by options.fit. A quarter turn, drawn later, does not change it.
Placement part_of_frame(const Sample& sample, const TransformOptions& options, FrameSize frame);

void fill_with_ground(const ChwView& out);

/// Draws mirrors, quarter turn and colours of one picture and writes what is seen of it, resampled once.
/// @param kept  gets its boxes, in pixels of the frame, but those below two pixels, those of which a tenth or less is
///              left, and those longer than 100 times their width
void show_tile(const Sample& sample, const TransformOptions& options, std::int64_t epoch, const TileAxis& across,
               const TileAxis& down, Random& random, const ChwView& out, std::vector<LabelledBox>& kept);

}  // namespace rtdetr
