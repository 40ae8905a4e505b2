#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace rtdetr {

/// Ground truth box as the metric needs it (docs/reference/coco_evaluation.md).
struct MetricTruth {
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::int64_t annotation_id = 0;
  std::array<double, 4> box_xywh{};  ///< pixels
  double area = 0;
  bool crowd = false;
};

struct MetricDetection {
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> box_xywh{};  ///< pixels
  double score = 0;
};

/// What is evaluated. Truths of unlisted images or categories are left out, as pycocotools does.
struct MetricInput {
  std::vector<std::int64_t> image_ids;     ///< any order, duplicates harmless
  std::vector<std::int64_t> category_ids;  ///< any order, duplicates harmless
  std::vector<MetricTruth> truths;         ///< file order
};

}  // namespace rtdetr
