#include "data/dataset/key_points.h"

#include <algorithm>

#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::size_t kFourPoints = 8;  // values; turned boxes are written so

/// Whether cx cy w h … are a box in its picture and points in it of `stride` values each. More than two must be
/// spread: those of a small polygon are all near its first. A point at 0 0 is one that was not labelled.
bool is_box_with_points(std::span<const double> values, std::size_t stride) {
  constexpr double kSlack = 0.02, kLeastSpread = 0.25;
  if (values.size() % stride != 4 % stride) return false;
  int points = 0;
  bool spread = false;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const double size = values[axis + 2], begin = values[axis] - size / 2, end = begin + size;
    if (!(size > 0 && begin >= -kSlack && end <= 1 + kSlack)) return false;
    double low = 1, high = 0;
    points = 0;
    for (std::size_t i = 4; i < values.size(); i += stride) {
      if (values[i] == 0 && values[i + 1] == 0) continue;
      const double at = values[i + axis];
      if (!(at >= begin - kSlack && at <= end + kSlack)) return false;
      low = std::min(low, at);
      high = std::max(high, at);
      ++points;
    }
    spread = spread || high - low >= kLeastSpread * size;
  }
  return points <= 2 || spread;
}

}  // namespace

bool has_visibilities(std::span<const std::string_view> columns, bool may_be_polygon) {
  const std::size_t values = columns.size() - std::min(columns.size(), kYoloBoxColumns);
  const std::size_t least = may_be_polygon ? 4 : 1;
  if (values % 3 != 0 || values / 3 < least) return false;
  for (std::size_t i = kYoloBoxColumns + 2; i < columns.size(); i += 3) {
    const auto value = parse_double(columns[i]);
    if (value != 0 && value != 1 && value != 2) return false;
  }
  return true;
}

bool may_be_key_points(std::span<const double> values) {
  return values.size() != kFourPoints && (is_box_with_points(values, 2) || is_box_with_points(values, 3));
}

void LongRows::add(std::size_t columns, bool doubtful, const std::string& file, int line) {
  same_columns_ = same_columns_ && (rows_ == 0 || columns == columns_);
  columns_ = columns;
  ++rows_;
  if (!doubtful) return;
  constexpr std::size_t kPlaces = 5;
  if (places_.size() < kPlaces) places_.push_back(file + ":" + std::to_string(line));
  ++doubtful_;
}

std::optional<DataProblem> LongRows::fault() const {
  constexpr double kNearlyAll = 0.9;
  if (doubtful_ == 0 || !same_columns_) return std::nullopt;
  if (static_cast<double>(doubtful_) < kNearlyAll * static_cast<double>(rows_)) return std::nullopt;
  const std::size_t values = columns_ - kYoloBoxColumns;
  std::string shape = "kpt_shape: [" + std::to_string(values / 2) + ", 2]";
  if (values % 3 == 0) shape += " or [" + std::to_string(values / 3) + ", 3]";
  DataProblem problem;
  problem.severity = DataProblem::Severity::kError;
  problem.kind = "key_points_or_polygons";
  problem.message = "rows of " + std::to_string(columns_) +
                    " columns may be boxes with key points or polygons; write into the data set's YAML " + shape +
                    " for key points, kpt_shape: none for polygons";
  problem.count = doubtful_;
  problem.where = places_.front();
  problem.places = places_;
  return problem;
}

}  // namespace rtdetr
