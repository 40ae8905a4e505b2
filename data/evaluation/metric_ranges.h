#pragma once

#include <array>
#include <cstdint>

/// What COCO's numbers are taken over.
namespace rtdetr::metric {

inline constexpr int kThresholds = 10;  ///< IoU .50 … .95
inline constexpr int kRecalls = 101;
inline constexpr int kAreas = 4;   ///< all, small, medium, large
inline constexpr int kLimits = 3;  ///< detections per image and class
inline constexpr std::array<std::uint32_t, kLimits> kMaxDetections{1, 10, 100};
inline constexpr std::array<std::array<double, 2>, kAreas> kAreaRanges{
    {{0, 1e10}, {0, 32.0 * 32.0}, {32.0 * 32.0, 96.0 * 96.0}, {96.0 * 96.0, 1e10}}};  ///< both ends belong
inline constexpr int kIou50 = 0, kIou75 = 5;                                          ///< thresholds by name

}  // namespace rtdetr::metric
