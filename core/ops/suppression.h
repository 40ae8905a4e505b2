#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <span>
#include <vector>

/// Non-maximum suppression: of boxes that overlap, the best one stays. The end of detectors that predict at every cell
/// and say an object several times. The rules are those of Ultralytics 8.4 and torchvision
/// (docs/reference/official_behaviour.md#suppression).
namespace rtdetr {

struct SuppressionOptions {
  double least_score = 0.25;             ///< a candidate's score lies above it; NaN never does
  double iou = 0.7;                      ///< a candidate that overlaps a better one by more than this goes; 1: none
  std::int64_t max_candidates = 30'000;  ///< the best ones take part
  std::int64_t max_kept = 300;
  bool every_class = true;                 ///< each class of a box above least_score is a candidate, or its best alone
  std::vector<std::int64_t> classes = {};  ///< others are no candidates; empty: all are
  /// Who suppresses whom.
  enum class Rivals {
    kOwnClass,  ///< boxes of one class
    /// The same by another way: boxes are moved by 7680 · class in float32, which rounds them (in class 79 to 1/16) and
    /// lets boxes wider than that meet those of other classes (Ultralytics).
    kShiftedClass,
    kAll,  ///< any boxes
  } rivals = Rivals::kOwnClass;
};

/// A box in its role as one of a class.
struct Candidate {
  float score = 0;
  std::int32_t box = 0, label = 0;

  bool operator==(const Candidate&) const = default;
};

/// Candidates of a picture of `scores.size() / classes` boxes, box after box, class after class.
/// @param scores  [A, C], of any scale: only compared
/// @throws DivergedError  for a score that is no number
std::vector<Candidate> find_candidates(std::span<const float> scores, std::int64_t classes,
                                       const SuppressionOptions& options);

/// The candidates that stay, best first; of equal scores the lower box number, then the lower class.
/// @param boxes_xyxy  [A, 4], any unit
/// @note  sorts no more of the candidates than it comes to look at; compares each with what has been kept
std::vector<Candidate> suppress(std::span<const float> boxes_xyxy, std::vector<Candidate> candidates,
                                const SuppressionOptions& options);

}  // namespace rtdetr
