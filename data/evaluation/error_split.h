#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "data/dataset/metric_types.h"

namespace rtdetr {

/// What keeps AP50 from being 1, by kind of error: for each, how much AP50 would rise if just these errors were
/// mended (TIDE, Bolya et al. 2020, arXiv:2008.08115). The figures need not add up to what is missing: mending one kind
/// can change what another costs.
struct ErrorSplit {
  /// A detection that matches no box is of the first kind that fits:
  enum Kind : std::size_t {
    kLocation,    ///< its class, IoU 0.1 to 0.5 with a box; mended: it hits the box
    kClass,       ///< IoU from 0.5 with a box of another class; mended: it hits the box
    kDuplicate,   ///< IoU from 0.5 with a box of its class that a better detection has; mended: gone
    kBackground,  ///< IoU at most 0.1 with all boxes; mended: gone
    kBoth,        ///< anything else: another class and too little overlap; mended: gone
    kMissed,      ///< not a detection, but a box that nothing hits, nor would if mended; mended: gone
  };
  static constexpr std::size_t kKinds = 6;

  double ap50 = 0;                           ///< 0 to 1, as TIDE counts it: see split_errors
  std::array<double, kKinds> cost{};         ///< of AP50, at least 0
  std::array<std::int64_t, kKinds> count{};  ///< errors
  double false_positives = 0;                ///< what AP50 would gain if no false detection outranked a true one
  double false_negatives = 0;                ///< what it would gain if no box that is not hit were asked for
};

/// In the order in which TIDE's authors print them, with the names that they use.
struct ErrorKindName {
  ErrorSplit::Kind kind;
  const char* word;   ///< "classification", "localisation", …: for people
  const char* field;  ///< "class", "location", …: in JSON
};
inline constexpr std::array<ErrorKindName, ErrorSplit::kKinds> kErrorKinds{
    {{ErrorSplit::kClass, "classification", "class"},
     {ErrorSplit::kLocation, "localisation", "location"},
     {ErrorSplit::kBoth, "both", "both"},
     {ErrorSplit::kDuplicate, "duplicate", "duplicate"},
     {ErrorSplit::kBackground, "background", "background"},
     {ErrorSplit::kMissed, "missed", "missed"}}};

/// Equal to tidecv 1.0.1 with its default thresholds to 1e-12 (tests/fixtures/tide), its ways kept where they differ
/// from COCO's: of a picture the best 100 detections of all classes together are taken, and a class that has detections
/// and no box counts as an AP of 0. Detections that fall on a crowd of their class by more than half count for nothing.
/// What is of an unlisted image or category is left out; scores and boxes must be numbers.
/// Costs about as much as evaluate_coco on one thread.
ErrorSplit split_errors(const MetricInput& input, std::span<const MetricDetection> detections);

}  // namespace rtdetr
