#include "data/transforms.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/io/error.h"
#include "core/io/text.h"
#include "data/photometric.h"

namespace rtdetr {
namespace {

bool before(std::int64_t epoch, std::int64_t end) { return end < 0 || epoch < end; }

/// Nearest neighbours, as torch's interpolate picks them.
void resize_nearest(const float* from, FrameSize size, FrameSize target, float* out) {
  const float step_y = static_cast<float>(size.height) / static_cast<float>(target.height);
  const float step_x = static_cast<float>(size.width) / static_cast<float>(target.width);
  for (int c = 0; c < 3; ++c) {
    for (std::int64_t y = 0; y < target.height; ++y) {
      const auto source_y = std::min(static_cast<std::int64_t>(static_cast<float>(y) * step_y), size.height - 1);
      const float* row = from + (c * size.height + source_y) * size.width;
      for (std::int64_t x = 0; x < target.width; ++x) {
        *out++ = row[std::min(static_cast<std::int64_t>(static_cast<float>(x) * step_x), size.width - 1)];
      }
    }
  }
}

void render(const Picture& picture, const PictureWindow& window, const TransformOptions& options, FrameSize frame,
            float* chw) {
  const FrameSize base{options.height, options.width};
  const bool straight = !options.multi_scale_nearest || (frame.height == base.height && frame.width == base.width);
  const FrameSize size = straight ? frame : base;
  std::vector<float> between(straight ? 0 : 3 * base.height * base.width);
  float* out = straight ? chw : between.data();
  resize_to_chw_float(picture, window, static_cast<int>(size.width), static_cast<int>(size.height), options.resampling,
                      out);
  if (!straight) resize_nearest(between.data(), base, frame, chw);
}

/// Boxes in pixels of a `width` × `height` view → the target's fractions.
/// @param drop_small  leave out boxes below one pixel at the configured size
void set_target(const Sample& sample, std::vector<LabelledBox> boxes, int width, int height,
                const TransformOptions& options, bool drop_small, Batch::Image& target) {
  const float frame_width = static_cast<float>(options.width), frame_height = static_cast<float>(options.height);
  const float scale_x = static_cast<float>(static_cast<double>(options.width) / width);
  const float scale_y = static_cast<float>(static_cast<double>(options.height) / height);
  for (LabelledBox& box : boxes) {
    for (int i : {0, 2}) box.xyxy[i] = std::min(box.xyxy[i] * scale_x, frame_width);
    for (int i : {1, 3}) box.xyxy[i] = std::min(box.xyxy[i] * scale_y, frame_height);
  }
  if (drop_small) drop_small_boxes(boxes, frame_width, frame_height);
  target.labels.clear();
  target.boxes_cxcywh.clear();
  for (const LabelledBox& box : boxes) {
    const auto [x0, y0, x1, y1] = box.xyxy;
    target.labels.push_back(box.label);
    target.boxes_cxcywh.insert(target.boxes_cxcywh.end(), {(x0 + x1) / 2 / frame_width, (y0 + y1) / 2 / frame_height,
                                                           (x1 - x0) / frame_width, (y1 - y0) / frame_height});
  }
  target.picture_index = sample.picture_index;
  target.original_width = sample.original_width;
  target.original_height = sample.original_height;
}

void augment(const Sample& sample, TransformOptions options, FrameSize frame, Random& random, float* chw,
             Batch::Image& target) {
  const Picture* picture = &sample.picture;
  const Photometric photometric = draw_photometric(options.photometric, random);
  std::vector<LabelledBox> boxes = sample.boxes;
  const Geometry geometry = draw_geometry(options, picture->width, picture->height, boxes, random);
  Picture turned;
  if (geometry.quarter_turn) {
    turned = turn_clockwise(*picture);
    picture = &turned;
  }
  // Colours change pixel by pixel, so they may be changed after the turn and only where the window looks.
  thread_local Picture coloured;
  if (photometric.changes_anything()) {
    apply_photometric(photometric, *picture, geometry.window, coloured);
    picture = &coloured;
  }
  render(*picture, geometry.window, options, frame, chw);
  set_target(sample, std::move(boxes), geometry.window.width, geometry.window.height, options, true, target);
}

void check_probability(double value, const char* name) {
  if (value >= 0.0 && value <= 1.0) return;
  throw ConfigError(std::string(name) + ": want a probability between 0 and 1, have " + format_double(value));
}

}  // namespace

void check_transform_options(const TransformOptions& options) {
  check_probability(options.photometric, "photometric");
  check_probability(options.zoom_out, "zoom_out");
  check_probability(options.iou_crop, "iou_crop");
  check_probability(options.flip, "flip");
  check_probability(options.flip_vertical, "flip_vertical");
  check_probability(options.rotate90, "rotate90");
  if (!(options.zoom_out_max >= 1.0 && options.zoom_out_max <= 16.0)) {
    throw ConfigError("zoom_out_max: want 1 to 16, have " + format_double(options.zoom_out_max));
  }
  std::vector<std::int64_t> sides = options.multi_scale;
  sides.insert(sides.end(), {options.height, options.width});
  for (const std::int64_t side : sides) {
    if (side < 1 || side > 16384) throw ConfigError("picture side: want 1 to 16384, have " + std::to_string(side));
  }
}

FrameSize draw_frame_size(const TransformOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  const FrameSize base{options.height, options.width};
  if (!options.augment || options.multi_scale.empty() || !before(epoch, options.multi_scale_until_epoch)) return base;
  Random random(seed, RandomPurpose::kMultiScale, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch));
  const std::int64_t side = options.multi_scale[random.below(options.multi_scale.size())];
  const std::int64_t longest = std::max(base.height, base.width);
  const auto scaled = [&](std::int64_t length) {
    if (length == longest) return side;
    const double exact = static_cast<double>(length) * static_cast<double>(side) / static_cast<double>(longest);
    return std::max<std::int64_t>(32, 32 * std::llround(exact / 32));
  };
  return {scaled(base.height), scaled(base.width)};
}

void transform(const Sample& sample, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
               Random& random, float* chw, Batch::Image& target) {
  if (!options.augment) {
    render(sample.picture, PictureWindow::whole(sample.picture), options, frame, chw);
    set_target(sample, sample.boxes, sample.picture.width, sample.picture.height, options, false, target);
    return;
  }
  TransformOptions now = options;
  if (!before(epoch, options.strong_until_epoch)) now.photometric = now.zoom_out = now.iou_crop = 0.0;
  augment(sample, std::move(now), frame, random, chw, target);
}

}  // namespace rtdetr
