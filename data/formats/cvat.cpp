#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/utf8.h"
#include "data/formats/shapes.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

constexpr std::size_t kLargestXml = std::size_t{512} << 20;  // its tree needs several times that

class CvatReader {
 public:
  CvatReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : name_(split.annotations.string()),
        text_(read_text_file(split.annotations, kLargestXml)),
        pictures_(split.images),
        problems_(problems) {}

  NamedAnnotations read() {
    annotations_.object = ", shape ";
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(text_.data(), text_.size());
    if (!parsed) throw DataError(at(parsed.offset) + ": is no XML: " + parsed.description());
    const pugi::xml_node root = document.document_element();
    if (std::string_view(root.name()) != "annotations") {
      throw DataError(at(root.offset_debug()) + ": the outermost element of CVAT's files is <annotations>, not <" +
                      excerpt(root.name()) + ">");
    }
    if (root.child("track")) {
      throw DataError(at(root.child("track").offset_debug()) +
                      ": <track> belongs to a video; export it as 'CVAT for images 1.1'");
    }
    for (const char* of : {"task", "project", "job"}) read_labels(root.child("meta").child(of).child("labels"));
    for (const pugi::xml_node image : root.children("image")) read_image(image);
    return std::move(annotations_);
  }

 private:
  std::string at(std::ptrdiff_t offset) const {
    const auto end = text_.begin() + std::clamp<std::ptrdiff_t>(offset, 0, std::ssize(text_));
    return name_ + ":" + std::to_string(1 + std::count(text_.begin(), end, '\n'));
  }

  void complain(const pugi::xml_node node, const std::string& detail) {
    problems_.error("bad_field", "fields are missing or of the wrong type",
                    [&] { return at(node.offset_debug()) + ": <" + node.name() + ">: " + detail; });
  }

  /// Labels whose type has no area are no classes.
  void read_labels(const pugi::xml_node labels) {
    for (const pugi::xml_node label : labels.children("label")) {
      const std::string_view name = trim(label.child_value("name")), type = trim(label.child_value("type"));
      constexpr std::array<std::string_view, 5> kWithoutBox{"tag", "points", "polyline", "cuboid", "skeleton"};
      if (std::find(kWithoutBox.begin(), kWithoutBox.end(), type) != kWithoutBox.end() || label.child("parent"))
        continue;
      if (name.empty() || !is_utf8(name)) {
        complain(label, "<name> must be a text");
        continue;
      }
      annotations_.index_of(name);
      annotations_.are_all_classes = true;
    }
  }

  void read_image(const pugi::xml_node image) {
    NamedPicture picture;
    const std::string name = image.attribute("name").value();
    if (name.empty()) return complain(image, "'name' must be the picture's");
    picture.place = name_ + ": image '" + excerpt(name, 200) + "'";
    picture.file = pictures_.find(name);
    const auto side = [&](const char* key) {
      const std::string_view text = image.attribute(key).value();
      const auto value = parse_integer(text);
      if (value && *value >= 0 && *value <= std::numeric_limits<int>::max()) return static_cast<int>(*value);
      if (!text.empty()) complain(image, std::string(key) + " must be a number of pixels, not '" + excerpt(text) + "'");
      return 0;
    };
    picture.width = side("width");
    picture.height = side("height");
    std::uint32_t number = 0;
    for (const pugi::xml_node shape : image.children()) {
      if (shape.type() == pugi::node_element) read_shape(shape, ++number, picture);
    }
    annotations_.pictures.push_back(std::move(picture));
  }

  void read_shape(const pugi::xml_node shape, std::uint32_t number, NamedPicture& picture) {
    const std::string_view label = trim(shape.attribute("label").value());
    if (label.empty() || !is_utf8(label)) return complain(shape, "'label' must be a text");
    if (const auto box = box_of(shape)) picture.boxes.push_back({*box, annotations_.index_of(label), number, false});
  }

  /// nullopt: there is no box, which is told.
  std::optional<std::array<double, 4>> box_of(const pugi::xml_node shape) {
    const std::string_view kind = shape.name();
    const auto place = [&] {
      return at(shape.offset_debug()) + ": <" + excerpt(kind) + "> '" + excerpt(shape.attribute("label").value()) + "'";
    };
    if (kind == "polygon") {
      const auto points = points_of(shape);
      if (points) report_outline(problems_, place);
      return points ? std::optional(box_around(*points)) : std::nullopt;
    }
    const bool is_box = kind == "box", is_mask = kind == "mask", is_ellipse = kind == "ellipse";
    if (!is_box && !is_mask && !is_ellipse) {
      report_no_box(problems_, place);
      return std::nullopt;
    }
    std::array<double, 4> v{};
    constexpr std::array<const char*, 4> kCorners{"xtl", "ytl", "xbr", "ybr"}, kSides{"left", "top", "width", "height"},
        kRadii{"cx", "cy", "rx", "ry"};
    if (!read_numbers(shape, is_box ? kCorners : is_mask ? kSides : kRadii, v)) return std::nullopt;
    const auto degrees = number_of(shape, "rotation", 0);
    if (!degrees) return std::nullopt;
    if (!is_box) report_outline(problems_, place);
    if (is_mask) return v;
    if (is_ellipse) return box_around_ellipse({v[0], v[1]}, {v[2], v[3]}, *degrees);
    const std::array<double, 4> box{v[0], v[1], v[2] - v[0], v[3] - v[1]};
    if (*degrees == 0) return box;
    report_turned(problems_, place);
    return box_around_turned(box, *degrees, {0.5, 0.5});
  }

  /// @param otherwise  where there is no such attribute; nullopt: it must be there
  std::optional<double> number_of(const pugi::xml_node shape, const char* key, std::optional<double> otherwise) {
    const pugi::xml_attribute attribute = shape.attribute(key);
    if (!attribute && otherwise) return otherwise;
    const auto value = parse_double(trim(attribute.value()));
    if (!value) complain(shape, std::string(key) + " must be a number, not '" + excerpt(attribute.value()) + "'");
    return value;
  }

  bool read_numbers(const pugi::xml_node shape, const std::array<const char*, 4>& keys, std::array<double, 4>& values) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto value = number_of(shape, keys[i], std::nullopt);
      if (!value) return false;
      values[i] = *value;
    }
    return true;
  }

  /// "x,y;x,y;…".
  std::optional<std::vector<double>> points_of(const pugi::xml_node shape) {
    std::vector<double> points;
    for (const std::string& pair : split(shape.attribute("points").value(), ';')) {
      const std::size_t comma = pair.find(',');
      const auto x = parse_double(trim(std::string_view(pair).substr(0, comma)));
      const auto y =
          comma == std::string::npos ? std::nullopt : parse_double(trim(std::string_view(pair).substr(comma + 1)));
      if (!x || !y) {
        complain(shape, "points must be x,y;x,y;…, not '" + excerpt(pair) + "'");
        return std::nullopt;
      }
      points.insert(points.end(), {*x, *y});
    }
    return points;
  }

  std::string name_, text_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
};

}  // namespace

NamedAnnotations read_cvat(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return CvatReader(split, problems).read();
}

}  // namespace rtdetr
