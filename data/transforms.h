#pragma once

#include <cstdint>
#include <vector>

#include "core/io/random.h"
#include "core/io/resize.h"
#include "data/sample.h"

namespace rtdetr {

/// The official training augmentation (spec/official §6.2) and its switch-off; evaluation is `augment = false`.
struct TransformOptions {
  bool augment = true;
  std::int64_t height = 640, width = 640;
  Resampling resampling = Resampling::kPillowBilinear;
  double photometric = 0.5;        ///< probability of RandomPhotometricDistort
  double zoom_out = 0.5;           ///< probability of RandomZoomOut
  double iou_crop = 0.8;           ///< probability of RandomIoUCrop
  double flip = 0.5;               ///< probability of the horizontal flip
  double zoom_out_max = 4.0;       ///< largest canvas side, in picture sides
  std::int64_t strong_until_epoch = -1;  ///< from this epoch on no photometric, zoom-out, crop; -1 = never off
  std::vector<std::int64_t> multi_scale; ///< sides drawn per batch (empty = off), for square sizes; scaled for others
  std::int64_t multi_scale_until_epoch = -1;
};

/// Applies everything but the final resize's batch assembly. Every draw comes from `random`.
Sample transform(Sample sample, const TransformOptions& options, std::int64_t epoch, Random& random);

}  // namespace rtdetr
