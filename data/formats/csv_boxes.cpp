#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "data/formats/csv_reader.h"
#include "data/formats/tool_readers.h"
#include "data/formats/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

class CsvBoxesReader {
 public:
  CsvBoxesReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : csv_(split.annotations), pictures_(split.images), problems_(problems) {
    annotations_.object = ":";
    for (const fs::path& file : list_pictures(std::span(&split.images, 1), problems))
      picture_at(file.lexically_normal());
  }

  NamedAnnotations read() {
    const std::size_t name = column("filename"), label = column("class");
    const std::array<std::size_t, 4> corners{column("xmin"), column("ymin"), column("xmax"), column("ymax")};
    const auto width = csv_.column("width"), height = csv_.column("height");
    annotations_.says_sizes = width && height;
    while (csv_.next()) {
      const std::string_view file = csv_.field(name), class_name = csv_.field(label);
      if (file.empty() || class_name.empty() || !is_utf8(class_name)) {
        complain("a row needs a filename and a class");
        continue;
      }
      NamedPicture& picture = picture_at(pictures_.find(std::string(file)));
      picture.place = csv_.name();
      if (width && height) {
        picture.width = side(csv_.field(*width));
        picture.height = side(csv_.field(*height));
      }
      if (const auto box = box_of(corners)) {
        picture.boxes.push_back(
            {*box, annotations_.index_of(class_name), static_cast<std::uint32_t>(csv_.line()), false});
      }
    }
    for (const NamedPicture& picture : annotations_.pictures) {
      if (picture.place.empty())
        problems_.warn("no_rows", "pictures have no row in the table; taken as pictures without objects",
                       [&] { return picture.file.string(); });
    }
    return std::move(annotations_);
  }

 private:
  std::size_t column(const char* name) const {
    if (const auto found = csv_.column(name)) return *found;
    throw DataError(csv_.name() + ":1: the table has no column '" + std::string(name) +
                    "'; a table of boxes has filename, class, xmin, ymin, xmax and ymax");
  }

  void complain(const std::string& detail) {
    problems_.error("bad_row", "rows are not a box",
                    [&] { return csv_.name() + ":" + std::to_string(csv_.line()) + ": " + detail; });
  }

  NamedPicture& picture_at(const fs::path& file) {
    const auto [known, is_new] = index_of_.try_emplace(file, annotations_.pictures.size());
    if (is_new) annotations_.pictures.emplace_back().file = file;
    return annotations_.pictures[known->second];
  }

  int side(std::string_view text) {
    const auto value = parse_integer(text);
    if (value && *value >= 0 && *value <= std::numeric_limits<int>::max()) return static_cast<int>(*value);
    complain("width and height must be numbers of pixels, not '" + excerpt(text) + "'");
    return 0;
  }

  std::optional<std::array<double, 4>> box_of(const std::array<std::size_t, 4>& columns) {
    std::array<double, 4> v{};
    for (std::size_t i = 0; i < v.size(); ++i) {
      const auto value = parse_double(csv_.field(columns[i]));
      if (!value) {
        complain(csv_.header()[columns[i]] + " must be a number, not '" + excerpt(csv_.field(columns[i])) + "'");
        return std::nullopt;
      }
      v[i] = *value;
    }
    return std::array<double, 4>{v[0], v[1], v[2] - v[0], v[3] - v[1]};
  }

  CsvReader csv_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
  std::map<fs::path, std::size_t> index_of_;
};

}  // namespace

NamedAnnotations read_csv_boxes(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return CsvBoxesReader(split, problems).read();
}

}  // namespace rtdetr
