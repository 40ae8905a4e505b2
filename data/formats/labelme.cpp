#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/written_path.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/hidden_files.h"
#include "data/formats/json_record.h"
#include "data/formats/shapes.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

struct LabelmeShape {
  std::string label, type = "polygon";  // what a file of before shape_type holds
  std::vector<double> points;
  std::optional<std::string> group;
};

std::optional<int> as_side(const std::optional<std::int64_t>& value) {
  if (!value || *value < 0 || *value > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*value);
}

class LabelmeReader {
 public:
  LabelmeReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : split_(split), pictures_(split.images), problems_(problems) {}

  NamedAnnotations read() {
    annotations_.object = ": shape ";
    std::vector<fs::path> files = files_below(split_.annotations, ".json", problems_);
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      try {
        read_file(file);
      } catch (const Error& fault) {
        problems_.error("bad_json", "annotation files cannot be read", [&] { return std::string(fault.what()); });
      }
    }
    return std::move(annotations_);
  }

 private:
  void complain(const std::string& detail) {
    problems_.error("bad_field", "fields are missing or of the wrong type",
                    [&] { return picture_.place + ": " + detail; });
  }

  void read_file(const fs::path& file) {
    picture_ = {};
    grouped_.clear();
    picture_.place = file.string();
    JsonReader json(file);
    std::string image;
    bool shapes = false;
    const auto side = [&](const std::string& key, int& to) {
      if (const auto value = as_side(json.take_integer())) {
        to = *value;
      } else if (!json.took_null()) {
        complain("'" + key + "' must be a number of pixels, not " + json.describe_value());
      }
      return true;
    };
    const bool object = read_members(json, [&](const std::string& key) {
      if (key == "imageWidth") return side(key, picture_.width);
      if (key == "imageHeight") return side(key, picture_.height);
      if (key == "imagePath") {
        image = json.take_string().value_or("");
        return true;
      }
      if (key != "shapes") return false;
      shapes = read_items(json, [&](JsonReader::Token first, std::size_t index) { read_shape(json, first, index); });
      return true;
    });
    json.next();  // nothing may follow
    if (!object || !shapes) return complain("a labelme file is an object with a list 'shapes'");
    if (image.empty()) return complain("'imagePath' must name the picture");
    picture_.file = file_of(file, image);
    annotations_.pictures.push_back(std::move(picture_));
  }

  /// `imagePath` is relative to its file; where pictures have been moved to another folder, at the same place there.
  fs::path file_of(const fs::path& file, const std::string& image) const {
    const fs::path named = with_slashes(image), folder = file.parent_path();
    for (const fs::path& below :
         {(folder / named).lexically_normal().lexically_relative(split_.images.lexically_normal()),
          (folder.lexically_relative(split_.annotations) / named).lexically_normal()}) {
      if (stays_inside(below.string()) && is_file(split_.images / below))
        return (split_.images / below).lexically_normal();
    }
    return pictures_.find(image);
  }

  void read_shape(JsonReader& json, JsonReader::Token first, std::size_t index) {
    LabelmeShape shape;
    bool points = false;
    const std::string place = "shapes[" + std::to_string(index) + "]";
    const bool object = read_members_of(json, first, [&](const std::string& key) {
      if (key == "label") {
        shape.label = json.take_label().value_or("");
      } else if (key == "shape_type") {
        shape.type = json.take_string().value_or("polygon");
      } else if (key == "group_id") {
        shape.group = json.take_label();  // null: none
      } else if (key == "points") {
        points = take_numbers(json, shape.points) && shape.points.size() % 2 == 0;
      } else {
        return false;
      }
      return true;
    });
    if (!object) return complain(place + " is no object");
    if (shape.label.empty()) return complain(place + ": 'label' must be a text");
    if (!points || shape.points.empty()) return complain(place + ": 'points' must be [[x, y], …]");
    const auto number = static_cast<std::uint32_t>(index + 1);
    if (const auto box = box_of(shape, number)) add_box(shape, *box, number);
  }

  /// Shapes of one label and group are one object, as labelme's own exporters have it.
  void add_box(const LabelmeShape& shape, const std::array<double, 4>& xywh, std::uint32_t number) {
    if (shape.group) {
      const auto [known, is_new] = grouped_.try_emplace({*shape.group, shape.label}, picture_.boxes.size());
      if (!is_new) {
        report_joined(problems_, [&] {
          return picture_.place + ": shape " + std::to_string(number) + ", '" + excerpt(shape.label) + "' of group " +
                 excerpt(*shape.group);
        });
        std::array<double, 4>& whole = picture_.boxes[known->second].xywh;
        whole = box_around_both(whole, xywh);
        return;
      }
    }
    picture_.boxes.push_back({xywh, annotations_.index_of(shape.label), number, false});
  }

  std::optional<std::array<double, 4>> box_of(const LabelmeShape& shape, std::uint32_t number) {
    const auto place = [&] {
      return picture_.place + ": shape " + std::to_string(number) + ", a " + excerpt(shape.type) + " '" +
             excerpt(shape.label) + "'";
    };
    const std::vector<double>& p = shape.points;
    if (shape.type == "rectangle") return box_around(p);
    if (shape.type == "circle" && p.size() == 4) {  // its centre and a point on it
      report_outline(problems_, place);
      const double r = std::hypot(p[2] - p[0], p[3] - p[1]);
      return std::array<double, 4>{p[0] - r, p[1] - r, 2 * r, 2 * r};
    }
    if (shape.type == "mask" && p.size() == 4) {  // its first and last pixel
      report_outline(problems_, place);
      return std::array<double, 4>{p[0], p[1], p[2] - p[0] + 1, p[3] - p[1] + 1};
    }
    if (shape.type == "rotation" && p.size() == 8) {
      report_turned(problems_, place);
      return box_around(p);
    }
    if (shape.type == "polygon" && p.size() >= 6) {
      report_outline(problems_, place);
      return box_around(p);
    }
    report_no_box(problems_, place);
    return std::nullopt;
  }

  const DatasetConfig::Split& split_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
  NamedPicture picture_;
  std::map<std::pair<std::string, std::string>, std::size_t> grouped_;  ///< group and label: place of its box
};

}  // namespace

NamedAnnotations read_labelme(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return LabelmeReader(split, problems).read();
}

}  // namespace rtdetr
