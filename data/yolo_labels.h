#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_problem.h"

namespace rtdetr {

/// One row of a label file.
struct YoloBox {
  std::int32_t label = 0;
  std::array<double, 4> xywh{};  ///< left, top, width, height as fractions of the picture; as written, not clipped
  int line = 0;
};

/// Reads rows `class cx cy w h` and polygons `class x1 y1 x2 y2 x3 y3 …`, whose box is that of the points; both may
/// stand in one file. A box may have a sixth column, a prediction's confidence, which is warned of and not used. Empty
/// lines are passed over; identical rows are taken once. Rows that are not like that, class numbers outside [0,
/// classes) and values far beyond 1 (pixels) are errors.
///
/// @param place  what messages call the file
std::vector<YoloBox> parse_yolo_labels(std::string_view text, const std::string& place, std::int64_t classes,
                                       ProblemCollector& problems);

/// The pictures of folders (searched through) and .txt lists (one path a line, relative to the list's folder), sorted
/// by path, each once. Listed ones that are missing are reported and stay.
/// @throws DataError  if a source does not exist; IoError
std::vector<std::filesystem::path> list_pictures(std::span<const std::filesystem::path> sources,
                                                 ProblemCollector& problems);

/// Where the labels of a picture are: the last folder `images` becomes `labels`, the extension .txt; beside the
/// picture if there is no such folder.
std::filesystem::path yolo_label_path(const std::filesystem::path& picture);

}  // namespace rtdetr
