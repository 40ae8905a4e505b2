#pragma once

#include "core/base/random.h"
#include "data/dataset/sample.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// Whether the next sample, which is no mosaic, is scaled and shifted. Takes no draw when affine is off.
bool chance_of_affine(const TransformOptions& options, Random& random);

/// Draws one picture as Ultralytics does where it draws no mosaic
/// (docs/reference/official_behaviour.md#ultralytics-mosaic-and-mixup): as large as the frame, then scaled about its
/// middle by U(1 - mosaic_scale, 1 + mosaic_scale) and shifted by up to mosaic_translate of a side, grey 114 around it.
/// Mirrors, quarter turn and colours are drawn as always, zoom-out and IoU crop do not take part, and boxes are dropped
/// as a mosaic's are. Pixels are resampled once. Arguments as of transform().
void draw_affine(const Sample& sample, const TransformOptions& options, std::int64_t epoch, FrameSize frame,
                 Random& random, float* chw, Batch::Image& target);

}  // namespace rtdetr
