#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "data/formats/csv_reader.h"
#include "data/formats/json_record.h"
#include "data/formats/shapes.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

using Token = JsonReader::Token;
using Attributes = std::vector<std::pair<std::uint32_t, std::string>>;  ///< index of the attribute's name, value

/// A region before it is known which of its attributes is the class.
struct ViaRegion {
  std::array<double, 4> xywh{};
  std::uint32_t number = 0;
  Attributes attributes;
};

struct ViaPicture {
  std::string name, place;
  std::vector<ViaRegion> regions;
};

/// What `shape_attributes` says.
struct ViaShape {
  std::string name;
  std::map<std::string, double, std::less<>> numbers;
  std::vector<double> xs, ys;

  bool has(std::initializer_list<const char*> keys) const {
    return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return numbers.contains(key); });
  }
  double number(const char* key) const { return numbers.find(key)->second; }
};

class ViaReader {
 public:
  ViaReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : file_(split.annotations), pictures_(split.images), problems_(problems) {}

  NamedAnnotations read() {
    if (lower_case(file_.extension().string()) == ".csv") {
      read_csv();
    } else {
      read_json();
    }
    return name_classes();
  }

 private:
  void complain(const std::string& place, const std::string& detail) {
    problems_.error("bad_field", "fields are missing or of the wrong type", [&] { return place + ": " + detail; });
  }

  /// A project holds its entries in `_via_img_metadata`; exported annotations are the entries alone.
  void read_json() {
    JsonReader json(file_);
    const auto entry = [&](const std::string& key) { return read_entry(json, key), true; };
    const bool object = read_members(json, [&](const std::string& key) {
      if (key == "_via_img_metadata") return read_members(json, entry), true;
      return key.starts_with("_via_") ? false : entry(key);
    });
    if (!object) json.fail("VIA's annotations are an object");
    json.next();  // nothing may follow
  }

  void read_entry(JsonReader& json, const std::string& key) {
    ViaPicture picture;
    picture.place = json.name() + ": '" + excerpt(key, 200) + "'";
    std::uint32_t number = 0;
    const bool object = read_members(json, [&](const std::string& member) {
      if (member == "filename") return picture.name = json.take_string().value_or(""), true;
      if (member != "regions") return false;
      const Token first = json.next();  // VIA 1 has an object with the keys "0", "1", …
      if (first == Token::kBeginArray) {
        for (Token item = json.next(); item != Token::kEndArray; item = json.next())
          read_region(json, item, ++number, picture);
      } else {
        read_members_of(json, first,
                        [&](const std::string&) { return read_region(json, json.next(), ++number, picture), true; });
      }
      return true;
    });
    if (!object || picture.name.empty()) return complain(picture.place, "an entry is an object with a 'filename'");
    found_.push_back(std::move(picture));
  }

  void read_region(JsonReader& json, Token first, std::uint32_t number, ViaPicture& picture) {
    ViaShape shape;
    ViaRegion region{{}, number, {}};
    const bool object = read_members_of(json, first, [&](const std::string& key) {
      if (key == "shape_attributes") return shape = take_shape(json), true;
      if (key == "region_attributes") return region.attributes = take_attributes(json), true;
      return false;
    });
    if (!object) return complain(picture.place, "region " + std::to_string(number) + " is no object");
    add_region(shape, std::move(region), picture);
  }

  /// Columns of VIA 2; VIA 1 has a # before the first.
  void read_csv() {
    CsvReader csv(file_);
    const auto column = [&](const char* name) {
      auto found = csv.column(name);
      if (!found) found = csv.column(std::string("#") + name);
      if (!found) throw DataError(csv.name() + ":1: VIA's table has no column '" + std::string(name) + "'");
      return *found;
    };
    const std::size_t name = column("filename"), shape = column("region_shape_attributes"),
                      attributes = column("region_attributes");
    std::map<std::string, std::size_t, std::less<>> place_of;
    while (csv.next()) {
      const auto [known, is_new] = place_of.try_emplace(std::string(csv.field(name)), found_.size());
      if (is_new) found_.push_back({known->first, csv.name(), {}});
      const std::string place = csv.name() + ":" + std::to_string(csv.line());
      JsonReader shape_json(csv.field(shape), place), attributes_json(csv.field(attributes), place);
      ViaRegion region{{}, static_cast<std::uint32_t>(csv.line()), take_attributes(attributes_json)};
      const ViaShape drawn = take_shape(shape_json);
      if (!drawn.name.empty()) add_region(drawn, std::move(region), found_[known->second]);  // {}: it has no region
    }
    object_ = ":";
  }

  ViaShape take_shape(JsonReader& json) {
    ViaShape shape;
    read_members(json, [&](const std::string& key) {
      if (key == "name") return shape.name = json.take_string().value_or(""), true;
      if (key == "all_points_x") return take_numbers(json, shape.xs), true;
      if (key == "all_points_y") return take_numbers(json, shape.ys), true;
      if (const auto value = json.take_number()) shape.numbers[key] = *value;
      return true;
    });
    return shape;
  }

  /// Texts, and of checkboxes, {"cat": true}, those that are ticked.
  Attributes take_attributes(JsonReader& json) {
    Attributes attributes;
    read_members(json, [&](const std::string& key) {
      const std::uint32_t index = index_of_attribute(key);
      const Token first = json.next();
      if (first == Token::kBeginObject) {
        read_members_of(json, first, [&](const std::string& option) {
          if (json.take_flag().value_or(false)) attributes.emplace_back(index, option);
          return true;
        });
      } else {
        const bool text = first == Token::kString || first == Token::kNumber;
        if (text && is_utf8(json.text())) attributes.emplace_back(index, std::string(trim(json.text())));
        json.skip(first);
      }
      return true;
    });
    return attributes;
  }

  std::uint32_t index_of_attribute(const std::string& key) {
    const auto [known, is_new] = attributes_.try_emplace(key, static_cast<std::uint32_t>(attributes_.size()));
    return known->second;
  }

  void add_region(const ViaShape& shape, ViaRegion region, ViaPicture& picture) {
    const auto place = [&] {
      return picture.place + object_ + std::to_string(region.number) + ", " + excerpt(shape.name);
    };
    const auto n = [&](const char* key) { return shape.number(key); };
    if (shape.name == "rect" && shape.has({"x", "y", "width", "height"})) {
      region.xywh = {n("x"), n("y"), n("width"), n("height")};
    } else if (shape.name == "circle" && shape.has({"cx", "cy", "r"})) {
      region.xywh = box_around_ellipse({n("cx"), n("cy")}, {n("r"), n("r")}, 0);
    } else if (shape.name == "ellipse" && shape.has({"cx", "cy", "rx", "ry"})) {
      // VIA turns by theta in radians, from version 2.0.9 on.
      constexpr double kDegrees = 57.295779513082320877;
      region.xywh =
          box_around_ellipse({n("cx"), n("cy")}, {n("rx"), n("ry")}, shape.has({"theta"}) ? n("theta") * kDegrees : 0);
    } else if (shape.name == "polygon" && shape.xs.size() >= 3 && shape.xs.size() == shape.ys.size()) {
      std::vector<double> points;
      for (std::size_t i = 0; i < shape.xs.size(); ++i) points.insert(points.end(), {shape.xs[i], shape.ys[i]});
      region.xywh = box_around(points);
    } else if (shape.name == "rect" || shape.name.empty()) {
      return complain(place(), "a rect has x, y, width and height");
    } else {
      report_no_box(problems_, place);
      return;
    }
    if (shape.name != "rect") report_outline(problems_, place);
    picture.regions.push_back(std::move(region));
  }

  /// The regions' one attribute, or one with a name that says it.
  std::uint32_t class_attribute() const {
    if (attributes_.size() == 1) return attributes_.begin()->second;
    for (const char* name : {"class", "label", "name", "type", "category", "object"}) {
      for (const auto& [key, index] : attributes_) {
        if (lower_case(key) == name) return index;
      }
    }
    std::vector<std::string> keys;
    for (const auto& [key, index] : attributes_) keys.push_back(key);
    throw DataError(file_.string() + ": " +
                    (keys.empty()
                         ? std::string("regions have no attributes")
                         : "none of the regions' attributes " + quoted_names(keys) + " says that it is the class") +
                    "; call it 'class'");
  }

  NamedAnnotations name_classes() {
    NamedAnnotations annotations;
    annotations.object = object_;
    annotations.says_sizes = false;
    const bool regions = std::any_of(found_.begin(), found_.end(), [](const auto& p) { return !p.regions.empty(); });
    const std::uint32_t attribute = regions ? class_attribute() : 0;
    for (const ViaPicture& from : found_) {
      NamedPicture& picture = annotations.pictures.emplace_back();
      picture.file = pictures_.find(from.name);
      picture.place = from.place;
      for (const ViaRegion& region : from.regions) add_box(region, attribute, annotations, picture);
    }
    return annotations;
  }

  void add_box(const ViaRegion& region, std::uint32_t attribute, NamedAnnotations& annotations, NamedPicture& picture) {
    const auto place = [&] { return picture.place + object_ + std::to_string(region.number); };
    const auto is_class = [&](const auto& entry) { return entry.first == attribute && !entry.second.empty(); };
    const auto found = std::find_if(region.attributes.begin(), region.attributes.end(), is_class);
    if (found == region.attributes.end()) {
      problems_.warn("no_label", "boxes have no label; left out", place);
      return;
    }
    if (std::count_if(region.attributes.begin(), region.attributes.end(), is_class) > 1)
      problems_.warn("more_labels", "boxes have several labels; the first is taken", place);
    picture.boxes.push_back({region.xywh, annotations.index_of(found->second), region.number, false});
  }

  const std::filesystem::path file_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  std::vector<ViaPicture> found_;
  std::map<std::string, std::uint32_t> attributes_;
  const char* object_ = ", region ";
};

}  // namespace

NamedAnnotations read_via(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return ViaReader(split, problems).read();
}

}  // namespace rtdetr
