#include "data/transforms/geometric.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

namespace rtdetr {
namespace {

constexpr std::array<float, 7> kCropOptions{0.0f, 0.1f, 0.3f, 0.5f, 0.7f, 0.9f, 1.0f};
constexpr int kCropTrials = 40;

struct CropRectangle {
  int x = 0, y = 0, width = 0, height = 0;

  bool holds_center_of(const LabelledBox& box) const {
    const float cx = 0.5f * (box.xyxy[0] + box.xyxy[2]), cy = 0.5f * (box.xyxy[1] + box.xyxy[3]);
    return static_cast<float>(x) < cx && cx < static_cast<float>(x + width) && static_cast<float>(y) < cy &&
           cy < static_cast<float>(y + height);
  }
  float iou(const LabelledBox& box) const {
    const auto [x0, y0, x1, y1] = box.xyxy;
    const float left = static_cast<float>(x), top = static_cast<float>(y);
    const float right = static_cast<float>(x + width), bottom = static_cast<float>(y + height);
    const float overlap = std::max(std::min(x1, right) - std::max(x0, left), 0.0f) *
                          std::max(std::min(y1, bottom) - std::max(y0, top), 0.0f);
    return overlap / ((x1 - x0) * (y1 - y0) + (right - left) * (bottom - top) - overlap);
  }
};

void shift(std::vector<LabelledBox>& boxes, int dx, int dy) {
  for (LabelledBox& box : boxes) {
    for (int i : {0, 2}) box.xyxy[i] += static_cast<float>(dx);
    for (int i : {1, 3}) box.xyxy[i] += static_cast<float>(dy);
  }
}

/// The canvas is up to `most` times as large; the picture lies somewhere on it.
void zoom_out(PictureWindow& window, double most, std::vector<LabelledBox>& boxes, Random& random) {
  const double ratio = random.uniform(1.0, most);
  const int canvas_width = static_cast<int>(window.width * ratio),
            canvas_height = static_cast<int>(window.height * ratio);
  const int left = static_cast<int>((canvas_width - window.width) * random.uniform());
  const int top = static_cast<int>((canvas_height - window.height) * random.uniform());
  shift(boxes, left, top);
  window = {window.x - left, window.y - top, canvas_width, canvas_height};
}

/// One trial of RandomIoUCrop; nothing if it is not acceptable.
std::optional<CropRectangle> try_crop(int width, int height, float least_iou, const std::vector<LabelledBox>& boxes,
                                      Random& random) {
  CropRectangle crop;
  crop.width = static_cast<int>(width * random.uniform(0.3, 1.0));
  crop.height = static_cast<int>(height * random.uniform(0.3, 1.0));
  if (crop.width == 0 || crop.height == 0) return std::nullopt;
  const double aspect = static_cast<double>(crop.width) / crop.height;
  if (aspect < 0.5 || aspect > 2.0) return std::nullopt;
  crop.x = static_cast<int>((width - crop.width) * random.uniform());
  crop.y = static_cast<int>((height - crop.height) * random.uniform());
  float best = -1.0f;
  for (const LabelledBox& box : boxes) {
    if (crop.holds_center_of(box)) best = std::max(best, crop.iou(box));
  }
  if (best < least_iou) return std::nullopt;  // also when no centre is inside
  return crop;
}

/// Nothing means "as it is": the draw of the option 1.0. A picture without boxes ends there too, for no trial can
/// succeed; that is decided at once.
std::optional<CropRectangle> draw_crop(int width, int height, const std::vector<LabelledBox>& boxes, Random& random) {
  if (boxes.empty()) return std::nullopt;
  while (true) {
    const float least_iou = kCropOptions[random.below(kCropOptions.size())];
    if (least_iou >= 1.0f) return std::nullopt;
    for (int trial = 0; trial < kCropTrials; ++trial) {
      if (const auto crop = try_crop(width, height, least_iou, boxes, random)) return crop;
    }
  }
}

void apply_crop(const CropRectangle& crop, PictureWindow& window, std::vector<LabelledBox>& boxes) {
  std::erase_if(boxes, [&](const LabelledBox& box) { return !crop.holds_center_of(box); });
  shift(boxes, -crop.x, -crop.y);
  for (LabelledBox& box : boxes) {
    for (int i : {0, 2}) box.xyxy[i] = std::clamp(box.xyxy[i], 0.0f, static_cast<float>(crop.width));
    for (int i : {1, 3}) box.xyxy[i] = std::clamp(box.xyxy[i], 0.0f, static_cast<float>(crop.height));
  }
  window = {window.x + crop.x, window.y + crop.y, crop.width, crop.height};
}

/// Mirrors along one axis: `low` and `low + 2` are its coordinates in xyxy.
void mirror(std::vector<LabelledBox>& boxes, int low, int size) {
  for (LabelledBox& box : boxes) {
    const float start = box.xyxy[low];
    box.xyxy[low] = static_cast<float>(size) - box.xyxy[low + 2];
    box.xyxy[low + 2] = static_cast<float>(size) - start;
  }
}

/// Turns the view clockwise: what was drawn so far is kept by turning the window and its mirrors along.
/// @param picture_height  of the picture before the turn
Geometry turn(const PictureWindow& window, int picture_height, std::vector<LabelledBox>& boxes) {
  for (LabelledBox& box : boxes) {
    const auto [x0, y0, x1, y1] = box.xyxy;
    const float height = static_cast<float>(window.height);
    box.xyxy = {height - y1, x0, height - y0, x1};
  }
  Geometry geometry;
  geometry.quarter_turn = true;
  geometry.window = {
      picture_height - window.y - window.height, window.x, window.height, window.width, window.flip_y, window.flip_x};
  return geometry;
}

}  // namespace

void drop_small_boxes(std::vector<LabelledBox>& boxes, float width, float height, double least) {
  std::erase_if(boxes, [&](const LabelledBox& box) {
    const auto [x0, y0, x1, y1] = box.xyxy;
    return !(x1 - x0 >= least && y1 - y0 >= least && x0 >= 0 && y0 >= 0 && x1 <= width && y1 <= height);
  });
}

Geometry draw_geometry(const GeometricOptions& options, int width, int height, std::vector<LabelledBox>& boxes,
                       Random& random) {
  PictureWindow window{0, 0, width, height};
  if (random.chance(options.zoom_out)) zoom_out(window, options.zoom_out_max, boxes, random);
  if (random.chance(options.iou_crop)) {
    if (const auto crop = draw_crop(window.width, window.height, boxes, random)) apply_crop(*crop, window, boxes);
  }
  drop_small_boxes(boxes, static_cast<float>(window.width), static_cast<float>(window.height), options.min_box);
  window.flip_x = random.chance(options.flip);
  if (window.flip_x) mirror(boxes, 0, window.width);
  window.flip_y = random.chance(options.flip_vertical);
  if (window.flip_y) mirror(boxes, 1, window.height);
  if (!random.chance(options.rotate90)) return {false, window};
  return turn(window, height, boxes);
}

Picture turn_clockwise(const Picture& picture) {
  Picture result(picture.height, picture.width);
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* source = picture.row(y);
    for (int x = 0; x < picture.width; ++x) {
      std::memcpy(result.row(x) + 3 * (picture.height - 1 - y), source + 3 * x, 3);
    }
  }
  return result;
}

}  // namespace rtdetr
