#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset/class_list.h"
#include "data/dataset/metric_types.h"

namespace rtdetr {

/// Detections above a score against the boxes that are there: what the COCO average does not tell.
struct MatchCounts {
  std::int64_t hits = 0;     ///< detections that match a box of their class
  std::int64_t wrong = 0;    ///< detections that do not
  std::int64_t missed = 0;   ///< boxes that no detection matches
  double precision() const;  ///< hits / detections; NaN with none, of which nothing can be said
  double recall() const;     ///< hits / boxes; 0 with none
  double f1() const;
};

/// The detections of one class in the order of their scores, matched at IoU 0.5 as the COCO metric matches them. A
/// detection's partner does not depend on those with lower scores, so what is above a score is the front of the list.
struct ScoredMatches {
  std::int64_t boxes = 0;     ///< to be found, without crowds
  std::vector<double> score;  ///< best first; what falls on a crowd is left out
  std::vector<std::uint8_t> hit;
  /// Counts what is at or above `confidence`.
  MatchCounts at(double confidence) const;
};

inline constexpr int kConfidences = 101;  ///< 0, 0.01, … 1

struct OperatingCurves {
  std::vector<ScoredMatches> classes;  ///< by class index
  /// Means over the classes that have boxes, at confidences i / 100; precision over those of them that have detections,
  /// NaN where none has.
  std::array<double, kConfidences> precision{}, recall{}, f1{};
  double best_confidence = 0;  ///< where the mean F1 is highest; the lowest such
};

/// What was taken for what, at one confidence. Rows are what was detected, columns what is there; the last row counts
/// boxes that were missed, the last column false alarms. Detections are given to boxes of their own class first (as the
/// metric does, so that the diagonal agrees with precision and recall), what remains on both sides to each other,
/// best overlap first.
struct ConfusionMatrix {
  double confidence = 0;
  double iou = 0.5;
  std::size_t classes = 0;
  std::vector<std::int64_t> counts;  ///< [classes + 1][classes + 1]
  std::int64_t& at(std::size_t detected, std::size_t truth) { return counts[detected * (classes + 1) + truth]; }
  std::int64_t at(std::size_t detected, std::size_t truth) const { return counts[detected * (classes + 1) + truth]; }
};

/// Of one picture, all classes together.
struct PictureCounts {
  std::int64_t image_id = 0;
  MatchCounts counts;
};

/// Matches once; curves, matrices and the counts of pictures come from it.
class DetectionMatcher {
 public:
  /// @param classes  whose category_ids are those of truth and detections; others are left out
  DetectionMatcher(const MetricInput& truth, std::span<const MetricDetection> detections, const ClassList& classes);

  OperatingCurves curves() const;
  ConfusionMatrix confusion(double confidence) const;
  /// Of every picture of the truth, ids ascending. Crowds, and what falls on them, count for nothing.
  std::vector<PictureCounts> by_picture(double confidence) const;

 private:
  struct Box {
    std::array<double, 4> xywh{};
    std::uint32_t label = 0;
    bool crowd = false;
  };
  struct Found {
    std::array<double, 4> xywh{};
    double score = 0;
    std::uint32_t label = 0;
    std::int32_t partner = kNone;  ///< index of its box
  };
  static constexpr std::int32_t kNone = -1, kCrowd = -2;
  struct Image {
    std::vector<Box> boxes;
    std::vector<Found> found;  ///< best first
  };
  static void match(Image& image);

  std::size_t classes_;
  std::vector<std::int64_t> image_ids_;  ///< of images_
  std::vector<Image> images_;
};

}  // namespace rtdetr
