#include "data/transforms/canvas.h"

#include <cmath>

#include "data/transforms/render.h"

namespace rtdetr {
namespace {

constexpr float kGround = kLetterboxGrey / 255.0f;
constexpr float kLeastSide = 2.0f, kLeastShare = 0.1f, kMostAspect = 100.0f;

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

}  // namespace

int CanvasView::operator()(double canvas) const {
  return static_cast<int>(std::lround(scale * (canvas - center) + shift));
}

double draw_canvas_scale(const TransformOptions& options, Random& random) {
  return random.uniform(1 - options.mosaic_scale, 1 + options.mosaic_scale);
}

double draw_canvas_shift(const TransformOptions& options, std::int64_t frame, Random& random) {
  const double translate = options.mosaic_translate;
  return random.uniform(0.5 - translate, 0.5 + translate) * static_cast<double>(frame);
}

Placement part_of_frame(const Sample& sample, const TransformOptions& options, FrameSize frame) {
  return place({sample.picture.width, sample.picture.height}, {frame.height, frame.width}, options.fit);
}

void fill_with_ground(const ChwView& out) {
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < out.height; ++y) std::fill_n(out.row(c, y), out.width, kGround);
  }
}

void show_tile(const Sample& sample, const TransformOptions& options, std::int64_t epoch, const TileAxis& across,
               const TileAxis& down, Random& random, const ChwView& out, std::vector<LabelledBox>& kept) {
  GeometricOptions shapes = options;
  shapes.zoom_out = shapes.iou_crop = 0;
  const Picture& picture = sample.picture;
  std::vector<LabelledBox> boxes = sample.boxes;
  const Photometric colours = draw_photometric(is_strong(options, epoch) ? options.photometric : 0.0, random);
  Geometry geometry = draw_geometry(shapes, picture.width, picture.height, boxes, random);
  const Span part_x = across.tile.clipped(across.canvas), part_y = down.tile.clipped(down.canvas);
  if (part_x.size() <= 0 || part_y.size() <= 0) return;
  PictureWindow& window = geometry.window;
  const Span source_x = source_span(part_x, across.tile, window.width);
  const Span source_y = source_span(part_y, down.tile, window.height);
  window.x = window_start(source_x, window.width, window.flip_x);
  window.y = window_start(source_y, window.height, window.flip_y);
  window.width = source_x.size();
  window.height = source_y.size();
  render(picture, geometry, colours, options.resampling,
         out.part(part_x.begin, part_y.begin, part_x.size(), part_y.size()));
  add_boxes(boxes, source_x, source_y, part_x, part_y, kept);
}

}  // namespace rtdetr
