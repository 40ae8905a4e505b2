#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/data_problem.h"
#include "data/dataset/key_points.h"

namespace rtdetr {

/// One row of a label file.
struct YoloBox {
  std::int32_t label = 0;
  std::array<double, 4> xywh{};  ///< left, top, width, height as fractions of the picture; as written, not clipped
  int line = 0;
  std::size_t columns = 0;  ///< of the row, without a prediction's confidence
  bool doubtful = false;    ///< taken for a polygon, but its numbers could be a box and key points as well
};

/// Reads rows `class cx cy w h`, such rows with key points behind them, of which the box is taken, and polygons
/// `class x1 y1 x2 y2 x3 y3 …`, whose box is that of the points; all may stand in one file. Without a known shape,
/// key points are told by their visibility of 0, 1 or 2. A box may have a sixth column, a prediction's confidence,
/// which is warned of and not used. Empty lines are passed over; identical rows are taken once. Rows that are not like
/// that, class numbers outside [0, classes) and values far beyond 1 (pixels) are errors.
///
/// @param place  what messages call the file
std::vector<YoloBox> parse_yolo_labels(std::string_view text, const std::string& place, std::int64_t classes,
                                       ProblemCollector& problems, const KeyPointShape& key_points = {});

/// The pictures of folders (searched through) and .txt lists (one path a line, relative to the list's folder or else
/// to `root`; a line '# …' that names no picture is a comment), sorted by path, each once. Listed ones that are
/// missing are reported and stay.
/// @throws DataError  if a source does not exist; IoError
std::vector<std::filesystem::path> list_pictures(std::span<const std::filesystem::path> sources,
                                                 ProblemCollector& problems, const std::filesystem::path& root = {});

/// Returns where the labels of a picture are: the last folder `images` of its path becomes `labels`, the extension
/// .txt. A relative path without such a folder is looked at as a whole. Beside the picture if there is no `images`, or
/// no such folder of labels and a file beside the picture.
std::filesystem::path yolo_label_path(const std::filesystem::path& picture);

}  // namespace rtdetr
