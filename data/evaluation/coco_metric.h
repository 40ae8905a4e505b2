#pragma once

#include "core/base/cpp20.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset/metric_types.h"

namespace rtdetr {

/// pycocotools' arrays, −1 where undefined.
struct MetricResult {
  /// AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl
  std::array<double, 12> stats{};
  struct Class {
    std::int64_t category_id = 0;
    double ap = -1, ap50 = -1, ap75 = -1, ar100 = -1;
    std::int64_t truths = 0;  ///< counted ones: without crowds
  };
  std::vector<Class> classes;            ///< by ascending category id
  std::vector<double> precision;         ///< [T=10][R=101][K][A=4][M=3]
  std::vector<double> recall;            ///< [T=10][K][A=4][M=3]
  std::int64_t detections_left_out = 0;  ///< of an unlisted category
  std::int64_t truths_left_out = 0;      ///< of an unlisted image or category
  std::int64_t unusable_boxes = 0;       ///< detections that cannot match: a side not positive or not a number
};

/// COCO box evaluation, equal to pycocotools 2.0.11 to 1e-12, also in that a match to the annotation id 0 counts as a
/// false positive; every rule, crowds included, is in docs/reference/coco_evaluation.md. Pure: the same input gives the
/// same bits for any number of threads. Costs about 0.2 µs a detection.
/// @throws DataError for a detection on an unlisted image or a non-number score
MetricResult evaluate_coco(const MetricInput& input, std::span<const MetricDetection> detections, int threads = 1);

/// pycocotools' summary, 12 lines.
std::string format_summary(const MetricResult& result);

}  // namespace rtdetr
