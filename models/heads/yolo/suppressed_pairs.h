#pragma once

#include <span>
#include <vector>

#include "core/image/picture_size.h"
#include "core/ops/suppression.h"
#include "core/tensor/detection.h"
#include "models/graph/head.h"

namespace rtdetr {

/// The postprocessing of heads that predict at every cell: what suppression leaves of the (cell, class) pairs, boxes in
/// pixels of the original picture.
///
/// @param prediction   [B, A, C] and [B, A, 4]; half types are raised to float32. Suppression compares logits, and
///                     boxes in float32
/// @param sizes        B original sizes
/// @param suppression  the model file's, where options make no other choice; its max_kept is lowered to options' where
///                     that is less, its least_score raised to a little below options.min_score: candidates without a
///                     chance are not compared
/// @return             B entries, best first, on the prediction's device
/// @note               pictures are shared out among LibTorch's threads; another device brings its best pairs to the
///                     host, which waits for it
std::vector<Detections> suppressed_pairs(const Prediction& prediction, std::span<const PictureSize> sizes,
                                         const SuppressionOptions& suppression, const PostprocessOptions& options);

}  // namespace rtdetr
