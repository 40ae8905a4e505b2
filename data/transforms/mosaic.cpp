#include "data/transforms/mosaic.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/transforms/canvas.h"
#include "data/transforms/render.h"

namespace rtdetr {
namespace {

/// Where the canvas and the tiles' common point land in the frame, along one axis.
struct AxisPlan {
  Span canvas;
  int center = 0;
  double scale = 1;

  /// @param length  of the tile on the canvas
  TileAxis tile_axis(bool after_center, int length) const {
    const int tile = std::max(1, static_cast<int>(std::lround(scale * length)));
    return {after_center ? Span{center, center + tile} : Span{center - tile, center}, canvas};
  }
};

AxisPlan draw_axis(const TransformOptions& options, std::int64_t frame, double scale, Random& random) {
  const double side = static_cast<double>(frame);
  const double center = std::floor(random.uniform(side / 2, 3 * side / 2));
  const CanvasView seen{scale, side, draw_canvas_shift(options, frame, random)};  // of a canvas of 2·side
  AxisPlan plan;
  plan.canvas = Span{seen(0), seen(2 * side)}.clipped({0, static_cast<int>(frame)});
  plan.center = seen(center);
  plan.scale = scale;
  return plan;
}

}  // namespace

bool chance_of_mosaic(const TransformOptions& options, std::int64_t epoch, Random& random) {
  return options.mosaic > 0 && may_blend(options, epoch) && random.chance(options.mosaic);
}

void draw_mosaic(const MosaicSamples& samples, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
                 Random& random, float* chw, Batch::Image& target) {
  const double scale = draw_canvas_scale(options, random);
  const AxisPlan across = draw_axis(options, frame.width, scale, random);
  const AxisPlan down = draw_axis(options, frame.height, scale, random);
  const ChwView out = ChwView::whole(chw, static_cast<int>(frame.width), static_cast<int>(frame.height));
  fill_with_ground(out);
  std::vector<LabelledBox> kept;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Placement part = part_of_frame(*samples[i], options, frame);
    show_tile(*samples[i], options, epoch, across.tile_axis(i % 2 == 1, part.width),
              down.tile_axis(i / 2 == 1, part.height), random, out, kept);
  }
  set_boxes(kept, static_cast<float>(frame.width), static_cast<float>(frame.height), target);
  target.picture_index = samples[0]->picture_index;
  target.original_width = samples[0]->original_width;
  target.original_height = samples[0]->original_height;
}

}  // namespace rtdetr
