#include "data/transforms/mosaic.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/transforms/render.h"

// The reference pastes four stretched pictures on a canvas and then warps the canvas. Without rotation and shear that
// warp is a scale and a shift, so every tile ends as an upright rectangle of the frame. Here those rectangles are
// computed first, at whole pixels, and each is filled from the part of its picture that it shows.

namespace rtdetr {
namespace {

constexpr float kGround = 114.0f / 255.0f;
constexpr float kLeastSide = 2.0f, kLeastShare = 0.1f, kMostAspect = 100.0f;

/// [begin, end) along one axis, pixels.
struct Span {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
  Span clipped(Span to) const { return {std::max(begin, to.begin), std::min(end, to.end)}; }
};

/// Where the canvas, the tiles' common point and a tile's length land in the frame, along one axis.
struct AxisPlan {
  Span canvas;
  int center = 0, tile = 0;

  Span tile_span(bool after_center) const {
    return after_center ? Span{center, center + tile} : Span{center - tile, center};
  }
};

AxisPlan draw_axis(std::int64_t frame, double scale, double translate, Random& random) {
  const double side = static_cast<double>(frame);
  const double center = std::floor(random.uniform(side / 2, 3 * side / 2));
  const double shift = random.uniform(0.5 - translate, 0.5 + translate) * side;
  // A canvas coordinate c, of 2·side, is seen at scale · (c - side) + shift.
  const auto seen = [&](double c) { return static_cast<int>(std::lround(scale * (c - side) + shift)); };
  AxisPlan plan;
  plan.canvas = Span{seen(0), seen(2 * side)}.clipped({0, static_cast<int>(frame)});
  plan.center = seen(center);
  plan.tile = std::max(1, static_cast<int>(std::lround(scale * side)));
  return plan;
}

/// The stretch of a view of `length` pixels that `part` of the tile shows: whole pixels, at least one.
Span source_span(Span part, Span tile, int length) {
  const double step = static_cast<double>(length) / tile.size();
  const int begin = std::clamp(static_cast<int>(std::lround((part.begin - tile.begin) * step)), 0, length - 1);
  const int end = std::clamp(static_cast<int>(std::lround((part.end - tile.begin) * step)), begin + 1, length);
  return {begin, end};
}

/// The same stretch counted along the picture instead of along its mirrored view.
int window_start(Span source, int length, bool mirrored) { return mirrored ? length - source.end : source.begin; }

/// Moves boxes from the view's pixels to the frame's, cuts them to the part that is seen and adds those worth keeping.
void add_boxes(const std::vector<LabelledBox>& boxes, Span source_x, Span source_y, Span part_x, Span part_y,
               std::vector<LabelledBox>& kept) {
  const auto moved = [](float value, Span from, Span to) {
    const float step = static_cast<float>(to.size()) / static_cast<float>(from.size());
    return static_cast<float>(to.begin) + (value - static_cast<float>(from.begin)) * step;
  };
  for (LabelledBox box : boxes) {
    for (int i : {0, 2}) box.xyxy[i] = moved(box.xyxy[i], source_x, part_x);
    for (int i : {1, 3}) box.xyxy[i] = moved(box.xyxy[i], source_y, part_y);
    const float area = (box.xyxy[2] - box.xyxy[0]) * (box.xyxy[3] - box.xyxy[1]);
    for (int i : {0, 2}) {
      box.xyxy[i] = std::clamp(box.xyxy[i], static_cast<float>(part_x.begin), static_cast<float>(part_x.end));
    }
    for (int i : {1, 3}) {
      box.xyxy[i] = std::clamp(box.xyxy[i], static_cast<float>(part_y.begin), static_cast<float>(part_y.end));
    }
    const float width = box.xyxy[2] - box.xyxy[0], height = box.xyxy[3] - box.xyxy[1];
    const float aspect = std::max(width, height) / std::min(width, height);
    if (width > kLeastSide && height > kLeastSide && width * height > kLeastShare * area && aspect < kMostAspect) {
      kept.push_back(box);
    }
  }
}

void fill(const ChwView& out, float value) {
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < out.height; ++y) std::fill_n(out.row(c, y), out.width, value);
  }
}

}  // namespace

bool chance_of_mosaic(const TransformOptions& options, std::int64_t epoch, Random& random) {
  return options.mosaic > 0 && may_blend(options, epoch) && random.chance(options.mosaic);
}

void draw_mosaic(const MosaicSamples& samples, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
                 Random& random, float* chw, Batch::Image& target) {
  const double scale = random.uniform(1 - options.mosaic_scale, 1 + options.mosaic_scale);
  const AxisPlan across = draw_axis(frame.width, scale, options.mosaic_translate, random);
  const AxisPlan down = draw_axis(frame.height, scale, options.mosaic_translate, random);
  GeometricOptions shapes = options;
  shapes.zoom_out = shapes.iou_crop = 0;
  const double photometric = is_strong(options, epoch) ? options.photometric : 0.0;
  const ChwView out = ChwView::whole(chw, static_cast<int>(frame.width), static_cast<int>(frame.height));
  fill(out, kGround);
  std::vector<LabelledBox> kept;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Picture& picture = samples[i]->picture;
    std::vector<LabelledBox> boxes = samples[i]->boxes;
    const Photometric colours = draw_photometric(photometric, random);
    Geometry geometry = draw_geometry(shapes, picture.width, picture.height, boxes, random);
    const Span tile_x = across.tile_span(i % 2 == 1), tile_y = down.tile_span(i / 2 == 1);
    const Span part_x = tile_x.clipped(across.canvas), part_y = tile_y.clipped(down.canvas);
    if (part_x.size() <= 0 || part_y.size() <= 0) continue;
    PictureWindow& window = geometry.window;
    const Span source_x = source_span(part_x, tile_x, window.width);
    const Span source_y = source_span(part_y, tile_y, window.height);
    window.x = window_start(source_x, window.width, window.flip_x);
    window.y = window_start(source_y, window.height, window.flip_y);
    window.width = source_x.size();
    window.height = source_y.size();
    render(picture, geometry, colours, options.resampling,
           out.part(part_x.begin, part_y.begin, part_x.size(), part_y.size()));
    add_boxes(boxes, source_x, source_y, part_x, part_y, kept);
  }
  set_boxes(kept, static_cast<float>(frame.width), static_cast<float>(frame.height), target);
  target.picture_index = samples[0]->picture_index;
  target.original_width = samples[0]->original_width;
  target.original_height = samples[0]->original_height;
}

}  // namespace rtdetr
