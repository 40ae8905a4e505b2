#pragma once

#include <array>
#include <memory>

#include "core/base/random.h"
#include "data/dataset/sample.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// Four samples of a mosaic; the first is the one whose turn it is.
using MosaicSamples = std::array<std::shared_ptr<const Sample>, 4>;

/// Draws four pictures as one, with the parameters of Ultralytics' mosaic and the scaling and shifting after it
/// (docs/reference/official_behaviour.md#ultralytics-mosaic-and-mixup): four tiles meet at a point drawn in the middle
/// half of a canvas of twice the size, seen scaled by U(1 - mosaic_scale, 1 + mosaic_scale) and shifted by up to
/// mosaic_translate of a side; grey 114 where there is no tile. Boxes below two pixels, or of which a tenth or less is
/// left, or longer than 100 times their width, are dropped. Mirrors, quarter turns and colours are drawn for each tile;
/// zoom-out and IoU crop do not take part. Unlike the reference each tile is resampled once, straight from its picture,
/// so tiles meet at whole pixels.
/// @param chw     3·frame.height·frame.width floats
/// @param target  labels and boxes of all four; index and original size of the first
void draw_mosaic(const MosaicSamples& samples, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
                 Random& random, float* chw, Batch::Image& target);

/// Whether the next sample is a mosaic. Takes no draw when mosaic is off.
bool chance_of_mosaic(const TransformOptions& options, std::int64_t epoch, Random& random);

}  // namespace rtdetr
