#pragma once

#include <span>
#include <vector>

#include "core/image/picture.h"
#include "core/tensor/detection.h"

namespace rtdetr {

struct PostprocessOptions {
  std::int64_t max_detections = 300;  ///< per picture; one query may appear with several classes
  bool softmax = false;               ///< scores by softmax over the classes, the last of which means "nothing"
  bool clip = false;                  ///< keep boxes inside the picture; the references do not
};

/// Final detections of a batch: the highest scores over all (query, class) pairs, boxes in pixels of the original
/// picture (docs/reference/official_behaviour.md#detections). No suppression and no threshold: RT-DETR needs none.
///
/// @param prediction  [B, Q, C] and [B, Q, 4]; half types are raised to float32
/// @param sizes       B original sizes
/// @return            B entries, best first, on the prediction's device
/// @note              does not wait for a device
std::vector<Detections> postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                    const PostprocessOptions& options = {});

}  // namespace rtdetr
