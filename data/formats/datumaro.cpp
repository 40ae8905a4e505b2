#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/text.h"
#include "core/io/utf8.h"
#include "data/formats/json_record.h"
#include "data/formats/shapes.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

using Token = JsonReader::Token;

struct DatumaroShape {
  std::string type;
  std::optional<std::int64_t> label;
  std::vector<double> bbox, points;
  double rotation = 0;
  bool crowd = false;
  std::int64_t group = 0;  ///< 0: none

  bool is_box() const { return type == "bbox" && bbox.size() == 4; }
  bool is_outline() const { return type == "polygon" && points.size() >= 6 && points.size() % 2 == 0; }
};

/// Annotations of one group, label and kind are parts of one object.
using DatumaroObject = std::tuple<std::int64_t, std::int64_t, bool>;

std::optional<DatumaroObject> object_of(const DatumaroShape& shape) {
  if (shape.group == 0 || !shape.label) return std::nullopt;
  return DatumaroObject{shape.group, *shape.label, shape.crowd};
}

class DatumaroReader {
 public:
  DatumaroReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : json_(split.annotations), pictures_(split.images), problems_(problems) {}

  NamedAnnotations read() {
    annotations_.object = ", annotation ";
    annotations_.are_all_classes = true;
    bool items = false;
    const bool object = read_members(json_, [&](const std::string& key) {
      if (key == "categories") return read_categories(), true;
      if (key != "items") return false;
      items = read_items(json_, [&](Token first, std::size_t index) { read_item(first, index); });
      return true;
    });
    if (!object || !items) json_.fail("Datumaro's JSON is an object with a list 'items'");
    json_.next();  // nothing may follow
    check_labels();
    return std::move(annotations_);
  }

 private:
  void complain(const std::string& detail) {
    problems_.error("bad_field", "fields are missing or of the wrong type", [&] { return place_ + ": " + detail; });
  }

  /// categories.label.labels[i].name is the class i.
  void read_categories() {
    place_ = json_.name() + ": categories";
    read_members(json_, [&](const std::string& key) {
      if (key != "label") return false;
      return read_members(json_,
                          [&](const std::string& list) {
                            if (list != "labels") return false;
                            read_items(json_, [&](Token first, std::size_t index) {
                              std::string name;
                              read_members_of(json_, first, [&](const std::string& field) {
                                return field == "name" ? (name = json_.take_label().value_or(""), true) : false;
                              });
                              if (name.empty()) return complain("labels[" + std::to_string(index) + "] has no 'name'");
                              if (annotations_.index_of(name) != index)
                                complain("labels[" + std::to_string(index) + "]: '" + excerpt(name) + "' stands twice");
                            });
                            return true;
                          }),
             true;
    });
  }

  void read_item(Token first, std::size_t index) {
    NamedPicture picture;
    std::string id, path;
    place_ = json_.name() + ": items[" + std::to_string(index) + "]";
    std::vector<DatumaroShape> shapes;
    const bool object = read_members_of(json_, first, [&](const std::string& key) {
      if (key == "id") return id = json_.take_label().value_or(""), true;
      if (key == "image" || key == "media") return read_media(picture, path), true;
      if (key != "annotations") return false;
      read_items(json_, [&](Token item, std::size_t) { shapes.push_back(read_shape(item)); });
      return true;
    });
    if (!object || (id.empty() && path.empty())) return complain("an item is an object with an 'id'");
    picture.place = place_ + " ('" + excerpt(path.empty() ? id : path, 200) + "')";
    picture.file = file_of(id, path);
    boxed_.clear();
    outlined_.clear();
    for (const DatumaroShape& shape : shapes) {
      if (const auto object_key = object_of(shape); object_key && shape.is_box()) boxed_.insert(*object_key);
    }
    std::uint32_t number = 0;
    for (const DatumaroShape& shape : shapes) add_shape(shape, ++number, picture);
    annotations_.pictures.push_back(std::move(picture));
  }

  /// {"path": "a.jpg", "size": [height, width]}
  void read_media(NamedPicture& picture, std::string& path) {
    read_members(json_, [&](const std::string& key) {
      if (key == "path") return path = json_.take_string().value_or(""), true;
      if (key != "size") return false;
      std::vector<double> size;
      const auto is_side = [](double v) { return v >= 1 && v <= std::numeric_limits<int>::max(); };
      if (take_numbers(json_, size) && size.size() == 2 && is_side(size[0]) && is_side(size[1])) {
        picture.height = static_cast<int>(size[0]);
        picture.width = static_cast<int>(size[1]);
      }
      return true;
    });
  }

  /// An item's id is its picture's name without the extension.
  std::filesystem::path file_of(const std::string& id, const std::string& path) const {
    if (!path.empty() && pictures_.has(path)) return pictures_.find(path);
    for (const char* extension : {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".tif", ".tiff"}) {
      if (!id.empty() && pictures_.has(id + extension)) return pictures_.find(id + extension);
    }
    return pictures_.find(path.empty() ? id + ".jpg" : path);
  }

  DatumaroShape read_shape(Token first) {
    DatumaroShape shape;
    read_members_of(json_, first, [&](const std::string& key) {
      if (key == "type") return shape.type = json_.take_string().value_or(""), true;
      if (key == "label_id") return shape.label = json_.take_integer(), true;
      if (key == "bbox") return take_numbers(json_, shape.bbox), true;
      if (key == "group") return shape.group = json_.take_integer().value_or(0), true;
      if (key == "points") return take_numbers(json_, shape.points), true;
      if (key != "attributes") return false;
      read_members(json_, [&](const std::string& attribute) {
        if (attribute == "rotation") return shape.rotation = json_.take_number().value_or(0), true;
        if (attribute == "is_crowd") return shape.crowd = json_.take_flag().value_or(false), true;
        return false;
      });
      return true;
    });
    return shape;
  }

  void add_shape(const DatumaroShape& shape, std::uint32_t number, NamedPicture& picture) {
    const auto place = [&] {
      return picture.place + ", annotation " + std::to_string(number) + ", " + excerpt(shape.type);
    };
    const auto object = shape.is_outline() ? object_of(shape) : std::nullopt;
    if (object && boxed_.contains(*object)) {
      problems_.warn("outline_of_box", "outlines are of an object that has a box, in one group; the box is taken",
                     place);
      return;
    }
    std::array<double, 4> xywh{};
    if (shape.type == "bbox") {
      if (!shape.is_box()) return complain("'bbox' must be [x, y, w, h]");
      std::copy(shape.bbox.begin(), shape.bbox.end(), xywh.begin());
      if (shape.rotation != 0) {
        report_turned(problems_, place);
        xywh = box_around_turned(xywh, shape.rotation, {0.5, 0.5});
      }
    } else if (shape.is_outline()) {
      report_outline(problems_, place);
      xywh = box_around(shape.points);
    } else {
      report_no_box(problems_, place);
      return;
    }
    if (!shape.label) {
      problems_.warn("no_label", "boxes have no label; left out", place);
      return;
    }
    if (*shape.label < 0 || *shape.label > std::numeric_limits<std::uint32_t>::max())
      return complain("'label_id' must be a label's place, not " + std::to_string(*shape.label));
    if (object) {
      const auto [known, is_new] = outlined_.try_emplace(*object, picture.boxes.size());
      if (!is_new) {
        report_joined(problems_, place);
        std::array<double, 4>& whole = picture.boxes[known->second].xywh;
        whole = box_around_both(whole, xywh);
        return;
      }
    }
    picture.boxes.push_back({xywh, static_cast<std::uint32_t>(*shape.label), number, shape.crowd});
  }

  /// Categories may stand behind the items.
  void check_labels() {
    for (NamedPicture& picture : annotations_.pictures) {
      std::erase_if(picture.boxes, [&](const NamedBox& box) {
        if (box.name < annotations_.names.size()) return false;
        place_ = picture.place + ", annotation " + std::to_string(box.number);
        complain("'label_id' is " + std::to_string(box.name) + ", of " +
                 counted(static_cast<long long>(annotations_.names.size()), "label"));
        return true;
      });
    }
  }

  JsonReader json_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
  std::string place_;
  // Of the item that is read.
  std::set<DatumaroObject> boxed_;                  ///< have a box
  std::map<DatumaroObject, std::size_t> outlined_;  ///< have outlines: the place of the box around them
};

}  // namespace

NamedAnnotations read_datumaro(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return DatumaroReader(split, problems).read();
}

}  // namespace rtdetr
