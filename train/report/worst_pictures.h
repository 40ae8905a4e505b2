#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "train/report/detection_report.h"

namespace rtdetr {

/// A picture in which much went wrong, with its detections drawn over its truth.
struct WorstPicture {
  std::string name;  ///< of the file
  MatchCounts counts;
  std::string jpeg;  ///< bytes; truth in black, detections above the report's confidence in their classes' colours
};

/// Pictures of the lowest F1 first, of equal ones those with the most faults; without fault: none. Those that cannot be
/// read are passed over.
std::vector<WorstPicture> worst_pictures(const Dataset& dataset, const Evaluation& evaluation,
                                         const DetectionReport& report, std::size_t most = 12);

/// RFC 4648, with padding.
std::string base64(const std::string& bytes);

}  // namespace rtdetr
