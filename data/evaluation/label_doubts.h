#pragma once

#include "core/base/cpp20.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/dataset/metric_types.h"

namespace rtdetr {

/// An annotation, or the lack of one, that a model is sure is wrong.
struct LabelDoubt {
  enum Kind : std::size_t {
    kClass,       ///< a detection of another class lies on the box: IoU from 0.5
    kPlace,       ///< a detection of the box's class lies beside it: IoU 0.1 to 0.5
    kUnlabelled,  ///< a detection where no box is
  };
  static constexpr std::size_t kKinds = 3;

  Kind kind = kUnlabelled;
  /// Cross-entropy of what the annotations say here under the model's scores, nats: −log(1 − score) of the detection
  /// that should not be and, if there is a box, −log p of it, where p is the best score of its class on it. The mean of
  /// the two, so that a box alone puts no doubt before another. Scores count as 0.01 to 0.99.
  double loss = 0;
  MetricDetection detection;
  std::optional<MetricTruth> label;  ///< the doubted box; none if unlabelled
  double iou = 0;                    ///< of both
};

/// In the order of LabelDoubt::Kind.
inline constexpr std::array<const char*, LabelDoubt::kKinds> kDoubtWords{"class", "place", "unlabelled"};

struct LabelDoubts {
  std::vector<LabelDoubt> doubts;  ///< highest loss first; an object is in one of them at most
  std::int64_t unseen = 0;         ///< boxes that no confident detection hits, and none speaks against
};

/// What a model objects to, in the idea of error_split.h turned round: the detections are right and the boxes wrong.
/// Detections take the boxes of their class that they hit, best score first; of the others those count that no crowd
/// forgives, and that lie on no box that was taken and on no detection that speaks for the same object.
/// @param confidence  only detections from this score on speak
LabelDoubts doubt_labels(const MetricInput& truth, std::span<const MetricDetection> detections, double confidence);

}  // namespace rtdetr
