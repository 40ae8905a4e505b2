#include "data/transforms/turned_mosaic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>

#include "core/image/resize.h"

namespace rtdetr {
namespace {

constexpr double kMostDegrees = 10;
/// A tile is at most so many times as long as it is wide, a longer one is squeezed: one lying and one standing strip
/// make a canvas of so many tiles by so many.
constexpr int kLongestTile = 4;

struct Point {
  double x = 0, y = 0;
};

/// x → A·x + b, in pixels.
struct AffineMap {
  double xx = 1, xy = 0, yx = 0, yy = 1;
  Point shift;

  Point operator()(double x, double y) const { return {xx * x + xy * y + shift.x, yx * x + yy * y + shift.y}; }
  AffineMap inverse() const {
    const double determinant = xx * yy - xy * yx;
    AffineMap map{yy / determinant, -xy / determinant, -yx / determinant, xx / determinant, {}};
    const Point moved = map(shift.x, shift.y);
    map.shift = {-moved.x, -moved.y};
    return map;
  }
};

AffineMap map_of(const CanvasTurn& turn, int width, int height) {
  const double angle = turn.degrees * std::numbers::pi / 180;
  const double along = turn.scale * std::cos(angle), across = turn.scale * std::sin(angle);
  AffineMap map{along, -across, across, along, {}};
  const double center_x = 0.5 * width, center_y = 0.5 * height;
  const Point turned = map(center_x, center_y);
  map.shift = {center_x - turned.x + turn.shift_x, center_y - turned.y + turn.shift_y};
  return map;
}

/// The picture's size when its shorter side is `side`.
PictureSize tile_size(const Picture& picture, int side) {
  const auto longer = [&](int length, int width) {
    return static_cast<int>(std::min<std::int64_t>(std::int64_t{side} * length / width, kLongestTile * side));
  };
  if (picture.width <= picture.height) return {side, longer(picture.height, picture.width)};
  return {longer(picture.width, picture.height), side};
}

void paste(const Picture& tile, int x, int y, Picture& canvas) {
  for (int row = 0; row < tile.height; ++row) {
    std::memcpy(canvas.row(y + row) + 3 * static_cast<std::size_t>(x), tile.row(row),
                3 * static_cast<std::size_t>(tile.width));
  }
}

/// @param to  size of the tile, whose corner is at x, y
void add_boxes(const Sample& sample, PictureSize to, int x, int y, std::vector<LabelledBox>& boxes) {
  const double step_x = static_cast<double>(to.width) / sample.picture.width;
  const double step_y = static_cast<double>(to.height) / sample.picture.height;
  for (LabelledBox box : sample.boxes) {
    for (int i : {0, 2}) box.xyxy[i] = static_cast<float>(box.xyxy[i] * step_x + x);
    for (int i : {1, 3}) box.xyxy[i] = static_cast<float>(box.xyxy[i] * step_y + y);
    boxes.push_back(box);
  }
}

/// The four tiles on their canvas; what the result says of its picture is what the first says.
Sample canvas_of(const MosaicSamples& samples, int side, Resampling resampling) {
  std::array<PictureSize, 4> sizes;
  PictureSize cell;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sizes[i] = tile_size(samples[i]->picture, side);
    cell = {std::max(cell.width, sizes[i].width), std::max(cell.height, sizes[i].height)};
  }
  Sample canvas;
  canvas.picture = Picture(2 * cell.width, 2 * cell.height);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const int x = i % 2 == 1 ? cell.width : 0, y = i / 2 == 1 ? cell.height : 0;
    paste(resize(samples[i]->picture, sizes[i].width, sizes[i].height, resampling), x, y, canvas.picture);
    add_boxes(*samples[i], sizes[i], x, y, canvas.boxes);
  }
  canvas.picture_index = samples[0]->picture_index;
  canvas.original_width = samples[0]->original_width;
  canvas.original_height = samples[0]->original_height;
  return canvas;
}

}  // namespace

CanvasTurn draw_canvas_turn(const TransformOptions& options, int width, int height, Random& random) {
  const auto shift = [&](int side) {
    const double most = options.mosaic_translate * side;
    return static_cast<int>(std::lround(random.uniform(-most, most)));
  };
  CanvasTurn turn;
  turn.degrees = random.uniform(-kMostDegrees, kMostDegrees);
  turn.shift_x = shift(width);
  turn.shift_y = shift(height);
  turn.scale = random.uniform(1 - options.mosaic_scale, 1 + options.mosaic_scale);
  return turn;
}

void turn_boxes(const CanvasTurn& turn, int width, int height, std::vector<LabelledBox>& boxes) {
  const AffineMap map = map_of(turn, width, height);
  constexpr double kFar = std::numeric_limits<double>::max();
  for (LabelledBox& box : boxes) {
    Point low{kFar, kFar}, high{-kFar, -kFar};
    for (const int x : {0, 2}) {
      for (const int y : {1, 3}) {
        const Point corner = map(box.xyxy[x], box.xyxy[y]);
        low = {std::min(low.x, corner.x), std::min(low.y, corner.y)};
        high = {std::max(high.x, corner.x), std::max(high.y, corner.y)};
      }
    }
    const auto cut = [](double value, int side) { return static_cast<float>(std::clamp<double>(value, 0, side)); };
    box.xyxy = {cut(low.x, width), cut(low.y, height), cut(high.x, width), cut(high.y, height)};
  }
}

Picture turn_canvas(const CanvasTurn& turn, const Picture& canvas) {
  const AffineMap source = map_of(turn, canvas.width, canvas.height).inverse();
  Picture turned(canvas.width, canvas.height);
  for (int y = 0; y < turned.height; ++y) {
    std::uint8_t* out = turned.row(y);
    for (int x = 0; x < turned.width; ++x, out += 3) {
      const Point from = source(x + 0.5, y + 0.5);
      if (from.x < 0 || from.y < 0 || from.x >= canvas.width || from.y >= canvas.height) continue;
      std::memcpy(out, canvas.row(static_cast<int>(from.y)) + 3 * static_cast<std::size_t>(from.x), 3);
    }
  }
  return turned;
}

void draw_turned_mosaic(const MosaicSamples& samples, const TransformOptions& options, std::int64_t epoch,
                        FrameSize frame, Random& random, float* chw, Batch::Image& target) {
  const auto side = static_cast<int>(std::max<std::int64_t>(1, std::min(options.height, options.width) / 2));
  Sample sample = canvas_of(samples, side, options.resampling);
  const int width = sample.picture.width, height = sample.picture.height;
  const CanvasTurn turn = draw_canvas_turn(options, width, height, random);
  sample.picture = turn_canvas(turn, sample.picture);
  turn_boxes(turn, width, height, sample.boxes);
  TransformOptions rest = options;
  rest.zoom_out = rest.iou_crop = 0;
  transform(sample, rest, epoch, frame, random, chw, target);
}

}  // namespace rtdetr
