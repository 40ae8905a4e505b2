#include "data/transforms/transforms.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "data/transforms/photometric.h"
#include "data/transforms/render.h"

namespace rtdetr {
namespace {

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

/// render() into its place in an image.
void render_placed(const Picture& picture, const Geometry& geometry, const Photometric& photometric,
                   const TransformOptions& options, const Placement& placement, FrameSize size, float* chw) {
  const ChwView image = ChwView::whole(chw, static_cast<int>(size.width), static_cast<int>(size.height));
  if (options.fit != Fit::kStretch) fill_around(placement, options.fit, image);
  render(picture, geometry, photometric, options.resampling, part_of(placement, image));
}

/// Into a whole frame; with multi_scale_nearest in the official code's two steps.
/// @return  the place in the image that was rendered, which boxes go by
Placement render_frame(const Picture& picture, const Geometry& geometry, const Photometric& photometric,
                       const TransformOptions& options, FrameSize frame, float* chw) {
  const FrameSize base{options.height, options.width};
  const bool straight = !options.multi_scale_nearest || (frame.height == base.height && frame.width == base.width);
  const FrameSize size = straight ? frame : base, canvas = canvas_of(options, size);
  const Placement placement =
      place({geometry.window.width, geometry.window.height}, {size.height, size.width}, options.fit);
  std::vector<float> between(straight ? 0 : 3 * base.height * base.width);
  render_placed(picture, geometry, photometric, options, placement, canvas, straight ? chw : between.data());
  if (!straight) resize_nearest(between.data(), base, frame, chw);
  return placement;
}

/// Boxes in pixels of what is seen of a picture → pixels of a `width` × `height` image that shows its Placement::unit.
void put_in_place(std::vector<LabelledBox>& boxes, const Placement& placement, float width, float height) {
  const double step_x = static_cast<double>(width) / placement.unit.width,
               step_y = static_cast<double>(height) / placement.unit.height;
  const auto scale_x = static_cast<float>(placement.scale_x * step_x),
             scale_y = static_cast<float>(placement.scale_y * step_y);
  const auto x = static_cast<float>(placement.x * step_x), y = static_cast<float>(placement.y * step_y);
  for (LabelledBox& box : boxes) {
    for (int i : {0, 2}) box.xyxy[i] = std::min(box.xyxy[i] * scale_x + x, width);
    for (int i : {1, 3}) box.xyxy[i] = std::min(box.xyxy[i] * scale_y + y, height);
  }
}

/// The size that boxes are measured at: the configured one. Of a padded picture, whose limits are not its sides, that
/// which it has.
struct MeasuredSize {
  float height = 0, width = 0;
};
MeasuredSize measured_size(const TransformOptions& options, const Placement& placement) {
  if (options.fit == Fit::kKeepRatio)
    return {static_cast<float>(placement.unit.height), static_cast<float>(placement.unit.width)};
  return {static_cast<float>(options.height), static_cast<float>(options.width)};
}

/// What is blended into one image has one size.
void check_fit(const TransformOptions& options) {
  if (options.fit != Fit::kKeepRatio) return;
  const bool blends = options.mosaic > 0 || options.affine > 0 || options.mixup > 0 || options.copy_blend > 0;
  if (!blends && !options.multi_scale_nearest) return;
  throw ConfigError(std::string("fit=keep_ratio: pictures of a batch have sizes of their own, and ") +
                    (blends ? "mosaic, affine, mixup and copy_blend" : "multi_scale_nearest") +
                    " want one size; set what of these is not 0 to 0, or use fit=letterbox");
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
  check_probability(options.mosaic, "mosaic");
  check_probability(options.affine, "affine");
  check_probability(options.hsv_h, "hsv_h");
  check_probability(options.hsv_s, "hsv_s");
  check_probability(options.hsv_v, "hsv_v");
  check_probability(options.mixup, "mixup");
  check_probability(options.copy_blend, "copy_blend");
  if (!(options.mosaic_scale >= 0 && options.mosaic_scale < 1)) {
    throw ConfigError("mosaic_scale: want 0 or more and less than 1, have " + format_double(options.mosaic_scale));
  }
  if (!(options.mosaic_translate >= 0 && options.mosaic_translate <= 0.5)) {
    throw ConfigError("mosaic_translate: want 0 to 0.5, have " + format_double(options.mosaic_translate));
  }
  if (!(options.zoom_out_max >= 1.0 && options.zoom_out_max <= 16.0)) {
    throw ConfigError("zoom_out_max: want 1 to 16, have " + format_double(options.zoom_out_max));
  }
  if (!(options.min_box >= 0 && options.min_box <= 1024)) {
    throw ConfigError("min_box: want 0 to 1024 pixels, have " + format_double(options.min_box));
  }
  std::vector<std::int64_t> sides = options.multi_scale;
  sides.insert(sides.end(), {options.height, options.width});
  check_fit(options);
  for (const std::int64_t side : sides) {
    if (side < 1 || side > 16384) throw ConfigError("picture side: want 1 to 16384, have " + std::to_string(side));
  }
}

FrameSize draw_frame_size(const TransformOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  const FrameSize base{options.height, options.width};
  if (!options.augment || options.multi_scale.empty() || !is_before(epoch, options.multi_scale_until_epoch))
    return base;
  Random random(seed, RandomPurpose::kMultiScale, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch));
  const std::int64_t side = options.multi_scale[random.below(options.multi_scale.size())];
  const std::int64_t longest = std::max(base.height, base.width);
  const bool has_limit = options.fit == Fit::kKeepRatio && base.height != base.width;  // which stays
  const auto scaled = [&](std::int64_t length) {
    if (length == longest) return has_limit ? longest : side;
    const double exact = static_cast<double>(length) * static_cast<double>(side) / static_cast<double>(longest);
    const std::int64_t drawn = std::max<std::int64_t>(
        options.stride, options.stride * std::llround(exact / static_cast<double>(options.stride)));
    return has_limit ? std::min(drawn, longest) : drawn;
  };
  return {scaled(base.height), scaled(base.width)};
}

FrameSize canvas_of(const TransformOptions& options, FrameSize frame) {
  const ImageSize largest = largest_input({frame.height, frame.width}, options.fit, options.stride);
  return {largest.height, largest.width};
}

void transform(const Sample& sample, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
               Random& random, float* chw, Batch::Image& target) {
  const Picture& picture = sample.picture;
  std::vector<LabelledBox> boxes = sample.boxes;
  Geometry geometry{false, PictureWindow::whole(picture)};
  Photometric photometric;
  if (options.augment) {
    const bool strong = is_strong(options, epoch);
    GeometricOptions shapes = options;
    if (!strong) shapes.zoom_out = shapes.iou_crop = 0.0;
    photometric = draw_photometric(strong ? options.photometric : 0.0, random);
    geometry = draw_geometry(shapes, picture.width, picture.height, boxes, random);
  }
  target.placement = render_frame(picture, geometry, photometric, options, frame, chw);
  const auto [height, width] = measured_size(options, target.placement);
  put_in_place(boxes, target.placement, width, height);
  if (options.augment) drop_small_boxes(boxes, width, height, options.min_box);
  set_boxes(boxes, width, height, target);
  target.picture_index = sample.picture_index;
  target.original_width = sample.original_width;
  target.original_height = sample.original_height;
}

}  // namespace rtdetr
