#include "data/transforms/affine.h"

#include <algorithm>
#include <vector>

#include "data/transforms/canvas.h"
#include "data/transforms/render.h"

namespace rtdetr {
namespace {

/// @param part  of the frame: the picture, before it is scaled and shifted
TileAxis draw_picture_axis(const TransformOptions& options, std::int64_t frame, Span part, double scale,
                           Random& random) {
  const CanvasView seen{scale, static_cast<double>(frame) / 2, draw_canvas_shift(options, frame, random)};
  Span tile{seen(part.begin), seen(part.end)};
  tile.end = std::max(tile.end, tile.begin + 1);
  return {tile, Span{0, static_cast<int>(frame)}};
}

}  // namespace

bool chance_of_affine(const TransformOptions& options, Random& random) {
  return options.affine > 0 && options.augment && random.chance(options.affine);
}

void draw_affine(const Sample& sample, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
                 Random& random, float* chw, Batch::Image& target) {
  const double scale = draw_canvas_scale(options, random);
  const Placement part = part_of_frame(sample, options, frame);
  const TileAxis across = draw_picture_axis(options, frame.width, {part.x, part.x + part.width}, scale, random);
  const TileAxis down = draw_picture_axis(options, frame.height, {part.y, part.y + part.height}, scale, random);
  const ChwView out = ChwView::whole(chw, static_cast<int>(frame.width), static_cast<int>(frame.height));
  fill_with_ground(out);
  std::vector<LabelledBox> kept;
  show_tile(sample, options, epoch, across, down, random, out, kept);
  set_boxes(kept, static_cast<float>(frame.width), static_cast<float>(frame.height), target);
  target.picture_index = sample.picture_index;
  target.original_width = sample.original_width;
  target.original_height = sample.original_height;
}

}  // namespace rtdetr
