#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/random.h"
#include "data/dataset/sample.h"
#include "data/transforms/transforms.h"

namespace rtdetr {

/// Whether the next sample is two blended ones. Takes no draw when mixup of this kind is off.
bool chance_of_mixup(const TransformOptions& options, std::int64_t epoch, Random& random);

/// Share of the first picture: Beta(32, 32), so nearly a half, as in Ultralytics' mixup
/// (docs/reference/official_behaviour.md#ultralytics-mosaic-and-mixup).
double draw_mixup_share(Random& random);

/// Of DEIM's mixup, which blends a whole batch or none of it: the share of each picture, the rest is that of the one
/// before it in the batch; U(0.45, 0.55) to six digits, keyed by (seed, epoch, batch). 1 = the batch is not blended.
double draw_batch_share(const TransformOptions& options, std::uint64_t seed, std::int64_t epoch, std::int64_t batch);

/// Blends a finished picture into another, value by value; all boxes of both are kept. What the target says of the
/// picture itself stays that of the first.
/// @param chw    `size` floats, changed
/// @param other  `size` floats
void mix(float* chw, const float* other, std::size_t size, double share, Batch::Image& target,
         const Batch::Image& other_target);

}  // namespace rtdetr
