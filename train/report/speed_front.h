#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/precision.h"
#include "core/image/image_size.h"
#include "core/image/picture.h"

/// What one checkpoint gives at other depths, numbers of queries, input sizes and number types: accuracy against time,
/// and the choices that no other one beats in both.
namespace rtdetr {

struct SpeedPoint {
  std::int64_t decoder_layers = 0;
  std::int64_t num_queries = 0;  ///< 0: the model chooses none
  ImageSize size;
  Precision precision = Precision::kFloat32;
  double ap = -1, ap50 = -1;
  double ms = 0;  ///< of one picture, from its pixels to its detections: the median
  /// Index of the point that is as accurate and as fast or better, and the fastest of them all.
  std::optional<std::size_t> beaten_by;
};

/// Sorts the points by time, and finds out which are beaten.
void find_front(std::vector<SpeedPoint>& points);

/// The most accurate point within `budget_ms`; nullptr if none is fast enough. @param points  from find_front
const SpeedPoint* best_within(const std::vector<SpeedPoint>& points, double budget_ms);

/// As keys of the program: "decoder_layers=2 num_queries=100 imgsz=480 amp=off".
std::string keys_of(const SpeedPoint& point);

/// A row for each point, numbered from 1, that names the point by which it is beaten.
std::string front_table(const std::vector<SpeedPoint>& points);
nlohmann::ordered_json front_json(const std::vector<SpeedPoint>& points);
/// AP over milliseconds: dots in a colour for each input size, and a line through the front with the points' numbers.
/// @param budget_ms  drawn as a line; 0 = none
Picture front_picture(const std::vector<SpeedPoint>& points, const std::string& title, double budget_ms = 0);

}  // namespace rtdetr
