#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/choices.h"
#include "core/base/random.h"
#include "core/image/fit.h"
#include "core/image/image_size.h"
#include "core/image/resize.h"
#include "data/dataset/sample.h"
#include "data/transforms/geometric.h"

namespace rtdetr {

/// Whose mosaic, or whose mixup.
enum class BlendKind { kUltralytics, kDeim };
inline constexpr std::array<Choice<BlendKind>, 2> kBlendKindWords{
    {{"ultralytics", BlendKind::kUltralytics}, {"deim", BlendKind::kDeim}}};

/// The official training augmentation (docs/reference/official_behaviour.md#augmentation) and its switch-off;
/// evaluation is `augment = false`. The shape options (zoom_out, zoom_out_max, iou_crop, flip, flip_vertical, rotate90)
/// and min_box are those of GeometricOptions. Not in the official recipe, default off, for pictures without an up
/// (cells, aerial views): flip_vertical, rotate90; with both and flip at 0.5 all eight orientations are equally likely.
struct TransformOptions : GeometricOptions {
  bool augment = true;
  /// Of the image; with Fit::kKeepRatio the two limits of a picture's sides (core/image/placement.h).
  std::int64_t height = 640, width = 640;
  std::int64_t stride = kUsualStride;  ///< sides of multi-scale and of padded images are multiples of it
  Resampling resampling = Resampling::kPillowBilinear;
  Fit fit = Fit::kStretch;
  double photometric = 0.5;                         ///< probability of each operation of RandomPhotometricDistort
  double mosaic = 0.0;                              ///< probability of four pictures as one; then no zoom-out, no crop
  BlendKind mosaic_kind = BlendKind::kUltralytics;  ///< mosaic.h, turned_mosaic.h
  double mosaic_scale = 0.5;                        ///< the mosaic is seen at 1 - this to 1 + this
  double mosaic_translate = 0.1;                    ///< and shifted by up to this share of a side
  double affine = 0.0;                              ///< probability of the same for one that is no mosaic (affine.h)
  double hsv_h = 0.0, hsv_s = 0.0, hsv_v = 0.0;     ///< gains of hue, saturation and value, all 0 = none (hsv.h)
  double mixup = 0.0;                               ///< probability of a second picture blended in (mixup.h)
  BlendKind mixup_kind = BlendKind::kUltralytics;
  double copy_blend =
      0.0;  ///< probability, of a batch that mixup of DEIM's kind leaves, of blended objects (copy_blend.h)
  std::int64_t mosaic_from_epoch = 0;    ///< before this epoch no mosaic, no mixup, no blended objects
  std::int64_t mosaic_until_epoch = -1;  ///< from this epoch on none either; -1 = never off
  std::int64_t strong_from_epoch = 0;    ///< before this epoch no photometric, zoom-out, crop
  std::int64_t strong_until_epoch = -1;  ///< from this epoch on none; -1 = never off
  /// Sides drawn per batch (empty = off), equally likely; a list may repeat one. For a size that is not square they
  /// are the longer side, and the shorter one follows in proportion, to the nearest multiple of the stride;
  /// with Fit::kKeepRatio the longer limit stays, and the shorter one alone follows.
  std::vector<std::int64_t> multi_scale;
  std::int64_t multi_scale_until_epoch = -1;
  /// false: pictures are resized straight to the drawn size. true: as the official code does it, to height × width
  /// first and from there with nearest neighbours.
  bool multi_scale_nearest = false;
};

/// Whether an epoch comes before `end`; -1 never comes.
inline bool is_before(std::int64_t epoch, std::int64_t end) { return end < 0 || epoch < end; }

/// Whether photometric distortion, zoom-out and crop may be drawn.
inline bool is_strong(const TransformOptions& options, std::int64_t epoch) {
  return epoch >= options.strong_from_epoch && is_before(epoch, options.strong_until_epoch);
}
/// Whether mosaic, mixup and blended objects may be.
inline bool may_blend(const TransformOptions& options, std::int64_t epoch) {
  return options.augment && epoch >= options.mosaic_from_epoch && is_before(epoch, options.mosaic_until_epoch);
}

/// @throws ConfigError  naming the option outside its range
void check_transform_options(const TransformOptions& options);

/// With Fit::kKeepRatio the two limits of the pictures.
struct FrameSize {
  std::int64_t height = 0, width = 0;
};
/// The size of a batch's pictures: height × width, or a multi-scale draw keyed by (seed, epoch, batch).
FrameSize draw_frame_size(const TransformOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t batch);
/// Room for every picture of such a frame: the frame, or with Fit::kKeepRatio a square (largest_input).
FrameSize canvas_of(const TransformOptions& options, FrameSize frame);

/// Draws a sample's augmentation and writes its pixels and boxes into their place in a batch. The steps are
/// photometric distortion, zoom-out, IoU crop, dropping boxes below min_box, mirrors, quarter turn, resize;
/// pixels are resampled once. Boxes below min_box at options.height × options.width are dropped too.
/// Evaluation only resizes and keeps all boxes. How what is seen of the picture fills the frame, options.fit says.
/// @param frame   of the batch, draw_frame_size
/// @param random  every draw comes from it
/// @param chw     3·height·width floats of canvas_of(frame), value / 255
/// @param target  filled: labels, boxes, the picture's index and original size
void transform(const Sample& sample, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
               Random& random, float* chw, Batch::Image& target);

}  // namespace rtdetr
