#pragma once

#include "core/base/cpp20.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset/metric_types.h"
#include "data/evaluation/metric_ranges.h"

namespace rtdetr {

/// pycocotools' arrays, −1 where undefined.
struct MetricResult {
  /// AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl
  std::array<double, 12> stats{};
  double ap() const { return stats[0]; }
  double ap50() const { return stats[1]; }
  double ap75() const { return stats[2]; }
  double ar100() const { return stats[8]; }
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

  /// Of IoU threshold `t`, recall point `r` and class `k`, the index in `classes`.
  double precision_at(std::size_t t, std::size_t r, std::size_t k, std::size_t area = 0,
                      std::size_t limit = metric::kLimits - 1) const {
    return precision[place_of(t * metric::kRecalls + r, k, area, limit)];
  }
  double recall_at(std::size_t t, std::size_t k, std::size_t area = 0, std::size_t limit = metric::kLimits - 1) const {
    return recall[place_of(t, k, area, limit)];
  }
  /// Where a number stands in `recall`, and with row = t · kRecalls + r in `precision`.
  std::size_t place_of(std::size_t row, std::size_t k, std::size_t area, std::size_t limit) const {
    return ((row * classes.size() + k) * metric::kAreas + area) * metric::kLimits + limit;
  }
};

/// COCO box evaluation, equal to pycocotools 2.0.11 to 1e-12, also in that a match to the annotation id 0 counts as a
/// false positive; every rule, crowds included, is in docs/reference/coco_evaluation.md. Pure: the same input gives the
/// same bits for any number of threads. Costs about 0.2 µs a detection.
/// @throws DataError for a detection on an unlisted image or a non-number score
MetricResult evaluate_coco(const MetricInput& input, std::span<const MetricDetection> detections, int threads = 1);

/// A point of the mean precision-recall curve at IoU 0.5.
struct CurvePoint {
  double precision = 0, recall = 0;
};
/// The point of the 101 where F1 is best: what results.csv calls precision and recall, as Ultralytics does. It need not
/// be one that a confidence gives, for each class has its own there and COCO's precision is the best from a recall on;
/// what `val` prints is (operating_points.h).
CurvePoint best_f1_on_curve(const MetricResult& result);

/// pycocotools' summary, 12 lines.
std::string format_summary(const MetricResult& result);

}  // namespace rtdetr
