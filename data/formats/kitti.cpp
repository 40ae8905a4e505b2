#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "core/base/text.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/hidden_files.h"
#include "data/formats/columns.h"
#include "data/formats/tool_readers.h"
#include "data/formats/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestLabels = std::size_t{64} << 20;
constexpr std::size_t kKittiColumns = 15;  // a sixteenth is a prediction's score
constexpr std::size_t kFirstCorner = 4;    // left, top, right, bottom

void read_rows(std::string_view text, NamedPicture& picture, NamedAnnotations& annotations,
               ProblemCollector& problems) {
  std::uint32_t number = 0;
  for (const std::string& line : split(without_byte_order_mark(text), '\n')) {
    ++number;
    const auto columns = columns_of(line);
    if (columns.empty()) continue;
    const auto place = [&] { return picture.place + ":" + std::to_string(number); };
    if ((columns.size() != kKittiColumns && columns.size() != kKittiColumns + 1) || !is_utf8(columns[0])) {
      problems.error("bad_row", "rows are not KITTI's 15 columns",
                     [&] { return place() + ": " + counted(static_cast<long long>(columns.size()), "column"); });
      continue;
    }
    if (columns[0] == "DontCare") {
      problems.warn("dont_care", "DontCare regions are no objects; left out", place);
      continue;
    }
    std::array<double, 4> corners{};
    bool good = true;
    for (std::size_t i = 0; i < corners.size() && good; ++i) {
      const auto value = parse_double(columns[kFirstCorner + i]);
      good = value.has_value();
      if (good) corners[i] = *value;
      if (good) continue;
      problems.error("bad_row", "columns are not numbers",
                     [&] { return place() + ": '" + excerpt(columns[kFirstCorner + i]) + "'"; });
    }
    if (!good) continue;
    if (columns.size() > kKittiColumns)
      problems.warn("confidence_column", "rows have the score of a prediction; it is not used", place);
    picture.boxes.push_back({{corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]},
                             annotations.index_of(columns[0]),
                             number,
                             false});
  }
}

}  // namespace

NamedAnnotations read_kitti(const DatasetConfig::Split& split, ProblemCollector& problems) {
  NamedAnnotations annotations;
  annotations.object = ":";
  annotations.says_sizes = false;
  std::map<fs::path, fs::path> used;  // and by which picture
  for (const fs::path& file : list_pictures(std::span(&split.images, 1), problems)) {
    NamedPicture& picture = annotations.pictures.emplace_back();
    picture.file = file;
    fs::path labels = split.annotations / file.lexically_relative(split.images);
    labels.replace_extension(".txt");
    if (is_absent(labels)) {
      problems.warn("no_annotation_file", "pictures have no annotation file; taken as pictures without objects",
                    [&] { return file.string(); });
      continue;
    }
    if (const auto [owner, is_new] = used.emplace(labels.lexically_normal(), file); !is_new) {
      problems.error("ambiguous_annotation", "annotation files belong to two pictures; rename one", [&, owner = owner] {
        return labels.string() + ": " + owner->second.string() + " and " + file.string();
      });
      continue;
    }
    picture.place = labels.string();
    if (const auto text = read_label_file(labels, kLargestLabels, problems))
      read_rows(*text, picture, annotations, problems);
  }
  for (const fs::path& file : files_below(split.annotations, ".txt", problems)) {
    if (!used.contains(file.lexically_normal()))
      problems.warn("unused_label", "label files have no picture", [&] { return file.string(); });
  }
  return annotations;
}

}  // namespace rtdetr
