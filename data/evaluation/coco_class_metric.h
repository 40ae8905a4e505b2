#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset/metric_types.h"
#include "data/evaluation/metric_ranges.h"

/// The part of the COCO metric that one class needs, apart from the others.
namespace rtdetr::metric {

/// Intersection over union; over the detection's own area for a crowd. 0 where a number is not finite, a side is
/// negative, or the areas exceed a double.
double iou(const std::array<double, 4>& detection_xywh, const std::array<double, 4>& truth_xywh, bool crowd);

/// A range of boxes of one class: indices into the caller's array, sorted by image, then file order.
struct ImageOrder {
  std::span<const std::uint32_t> index;
  std::span<const std::uint32_t> image;  ///< of each, beside `index`
};

/// Curves of one class, −1 where there is no ground truth.
struct ClassCurves {
  std::array<std::array<std::array<std::array<double, kLimits>, kAreas>, kRecalls>, kThresholds> precision;
  std::array<std::array<std::array<double, kLimits>, kAreas>, kThresholds> recall;
  std::array<std::int64_t, kAreas> truths;  ///< counted ones
  std::int64_t unusable_boxes = 0;
};

/// Evaluates classes one after the other, keeping its buffers. One per thread.
///
/// Only few detections overlap a ground truth of their class by half or more: the candidates. All others are false
/// positives at every threshold, or ignored for their area, so they are not sorted but only counted between the
/// candidates; and as precision can peak at true positives alone, a curve is made from those.
class ClassEvaluator {
 public:
  void evaluate(std::span<const MetricTruth> truths, ImageOrder truth_order,
                std::span<const MetricDetection> detections, ImageOrder detection_order, ClassCurves& curves);

 private:
  /// Place of a detection in the class's list: by score, then image, then order inside the image.
  struct Place {
    double score = 0;
    std::uint32_t position = 0;
    bool operator<(const Place& other) const {
      return score > other.score || (score == other.score && position < other.position);
    }
  };
  struct Plain {
    Place place;
    std::uint8_t limit = 0;  ///< counted with kMaxDetections[limit] and above
    std::uint8_t areas = 0;  ///< bit a: inside area range a
  };
  struct Candidate {
    Place place;
    std::uint8_t limit = 0;
    std::array<std::uint16_t, kAreas> hit{};      ///< bit t: true positive at threshold t
    std::array<std::uint16_t, kAreas> ignored{};  ///< bit t: neither true nor false
  };

  void add_image(std::span<const MetricTruth> truths, std::span<const std::uint32_t> image_truths,
                 std::span<const MetricDetection> detections, std::span<const std::uint32_t> image_detections);
  void match(std::span<const MetricTruth> truths, std::span<const std::uint32_t> image_truths,
             std::span<Candidate> candidates, std::span<const std::uint8_t> areas);
  void match_one(const MetricTruth& truth, std::span<Candidate> candidates, std::span<const std::uint8_t> areas);
  void count_plain_before_candidates();
  void draw_curves(ClassCurves& curves);

  std::vector<Plain> plain_;
  std::vector<Candidate> candidates_;
  std::uint32_t position_ = 0;
  std::array<std::int64_t, kAreas> truths_{};
  std::int64_t unusable_ = 0;

  std::vector<Place> places_;                                                         ///< of the sorted candidates
  std::vector<std::array<std::array<std::uint32_t, kAreas>, kLimits>> plain_before_;  ///< by sorted candidate

  std::vector<std::uint32_t> sorted_;          ///< detections of one image, best first
  std::vector<double> ious_;                   ///< of one image: [candidate][truth]
  std::vector<std::uint8_t> candidate_areas_;  ///< of one image
  std::vector<std::uint32_t> truth_order_;     ///< of one image and area: counted ones first
  std::vector<std::uint8_t> truth_ignored_;    ///< by truth of the image
  std::vector<std::uint8_t> truth_taken_;      ///< by truth of the image
  std::vector<double> envelope_;               ///< precision by number of true positives
};

/// IoU thresholds and recall points, bit for bit numpy's linspace(.5, .95, 10) and linspace(0, 1, 101).
const std::array<double, kThresholds>& iou_thresholds();
const std::array<double, kRecalls>& recall_points();

}  // namespace rtdetr::metric
