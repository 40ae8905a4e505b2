#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/data_problem.h"

/// Rows of YOLO label files that are longer than a box: polygons `class x1 y1 x2 y2 …`, or pose labels
/// `class cx cy w h` with key points behind, x y or x y visibility each. Nothing in the file says which; the data set's
/// YAML does with `kpt_shape`, three values give themselves away by the visibility, and two of each are as many columns
/// as a polygon has. A polygon's box is that of its points, a pose's its own, so one must not be taken for the other.
namespace rtdetr {

inline constexpr std::size_t kYoloBoxColumns = 5;

/// What `kpt_shape` says.
struct KeyPointShape {
  bool known = false;      ///< the YAML has the key; with a `count` of 0 it says that long rows are polygons
  std::size_t count = 0;   ///< key points of each box
  std::size_t values = 0;  ///< of each: 2 are x y, 3 are x y visibility

  std::size_t columns() const { return kYoloBoxColumns + count * values; }
};

/// Whether every third column behind a box is 0, 1 or 2: visibilities. Of rows that may be polygons too, at least four
/// must be, since a polygon at the picture's corner has some 0 and 1 by chance.
bool has_visibilities(std::span<const std::string_view> columns, bool may_be_polygon);

/// Whether a row's numbers behind the class, taken for a polygon, may as well be a box and key points in it.
bool may_be_key_points(std::span<const double> values);

/// What the long rows of a split are like together. A polygon looks like a box with points by chance; that nearly all
/// do, with one number of columns, is none.
class LongRows {
 public:
  /// @param doubtful  see may_be_key_points
  void add(std::size_t columns, bool doubtful, const std::string& file, int line);
  /// An error if the rows are more likely key points than the polygons they were taken for.
  std::optional<DataProblem> fault() const;

 private:
  std::int64_t rows_ = 0, doubtful_ = 0;
  std::size_t columns_ = 0;
  bool same_columns_ = true;
  std::vector<std::string> places_;  ///< of the first doubtful ones
};

}  // namespace rtdetr
