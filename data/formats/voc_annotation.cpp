#include "data/formats/voc_annotation.h"

#include <algorithm>
#include <compare>
#include <iterator>
#include <limits>
#include <pugixml.hpp>
#include <set>
#include <utility>

#include "core/base/text.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

/// One file, with its name and lines for messages.
class VocReader {
 public:
  VocReader(std::string_view text, const std::string& place, ProblemCollector& problems)
      : text_(text), place_(place), problems_(problems) {}

  VocAnnotation read() {
    VocAnnotation annotation;
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(text_.data(), text_.size());
    if (!parsed) {
      complain("bad_xml", "annotation files are no XML", parsed.offset, parsed.description());
      return annotation;
    }
    const pugi::xml_node root = document.document_element();
    if (std::string_view(root.name()) != "annotation") {
      complain("bad_xml", "annotation files are no XML", root.offset_debug(),
               "the outermost element must be <annotation>, not <" + excerpt(root.name()) + ">");
      return annotation;
    }
    read_size(root.child("size"), annotation);
    int number = 0;
    for (const pugi::xml_node object : root.children("object")) {
      read_object(object, ++number, annotation);
      warn_of_more_boxes(object, number);
    }
    return annotation;
  }

 private:
  std::string at(std::ptrdiff_t offset) const {
    const auto end = text_.begin() + std::clamp<std::ptrdiff_t>(offset, 0, std::ssize(text_));
    return place_ + ":" + std::to_string(1 + std::count(text_.begin(), end, '\n'));
  }

  void complain(const char* kind, const char* message, std::ptrdiff_t offset, const std::string& detail) {
    problems_.error(kind, message, [&] { return at(offset) + ": " + detail; });
  }

  void read_size(const pugi::xml_node size, VocAnnotation& annotation) {
    if (!size) return;
    const auto side = [&](const char* name) {
      const std::string_view text = trim(size.child_value(name));
      const auto value = parse_integer(text);
      if (value && *value >= 0 && *value <= std::numeric_limits<int>::max()) return static_cast<int>(*value);
      if (!text.empty()) {
        complain("bad_size", "sizes of pictures are not whole numbers", size.offset_debug(),
                 std::string(name) + " '" + excerpt(text) + "'");
      }
      return 0;
    };
    annotation.width = side("width");
    annotation.height = side("height");
  }

  /// Names the shape that an object has instead of a box. False if it has none that is known.
  bool complain_of_shape(const pugi::xml_node object, int number) {
    const auto place = [&] { return at(object.offset_debug()) + ": object " + std::to_string(number); };
    if (object.child("robndbox")) {
      problems_.error("rotated_box", "objects have a rotated box (<robndbox>) and no <bndbox>, which alone is read",
                      place);
      return true;
    }
    if (!object.child("polygon")) return false;
    problems_.error("polygon", "objects have a <polygon> and no <bndbox>, which alone is read", place);
    return true;
  }

  void read_object(const pugi::xml_node object, int number, VocAnnotation& annotation) {
    constexpr const char* kMessage = "objects lack a name or a box";
    const auto bad = [&](const std::string& detail) {
      complain("bad_object", kMessage, object.offset_debug(), "object " + std::to_string(number) + ": " + detail);
    };
    VocObject read{std::string(trim(object.child_value("name"))), {}, number};
    if (read.name.empty()) return bad("<name> is missing or empty");
    if (!is_utf8(read.name)) return bad("<name> is not in UTF-8");
    const pugi::xml_node box = object.child("bndbox");
    if (!box && complain_of_shape(object, number)) return;
    if (!box) return bad("<bndbox> is missing");
    std::array<double, 4> corners{};
    constexpr std::array<const char*, 4> kCorners{"xmin", "ymin", "xmax", "ymax"};
    for (std::size_t i = 0; i < kCorners.size(); ++i) {
      if (!box.child(kCorners[i])) return bad("<bndbox> has no <" + std::string(kCorners[i]) + ">");
      const std::string_view text = trim(box.child_value(kCorners[i]));
      const auto value = parse_double(text);
      if (!value) return bad(std::string(kCorners[i]) + " must be a number, not '" + excerpt(text) + "'");
      corners[i] = *value;
    }
    read.box_xywh = {corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]};
    if (!seen_.emplace(read.name, corners).second) {
      problems_.warn("duplicate_box", "objects stand twice; taken once",
                     [&] { return at(object.offset_debug()) + ": object " + std::to_string(number); });
      return;
    }
    annotation.objects.push_back(std::move(read));
  }

  void warn_of_more_boxes(const pugi::xml_node object, int number) {
    const auto children = object.children("bndbox");
    const auto boxes = std::distance(children.begin(), children.end());
    if (boxes < 2) return;
    problems_.warn(
        "more_boxes", "objects have more than one <bndbox>; the first is taken, the others are left out", [&] {
          return at(object.offset_debug()) + ": object " + std::to_string(number) + ": " + std::to_string(boxes);
        });
  }

  std::string_view text_;
  const std::string& place_;
  ProblemCollector& problems_;
  /// Every double has a place in this order, also those that are not numbers.
  struct Less {
    using Object = std::pair<std::string, std::array<double, 4>>;
    bool operator()(const Object& a, const Object& b) const {
      if (a.first != b.first) return a.first < b.first;
      return std::lexicographical_compare(a.second.begin(), a.second.end(), b.second.begin(), b.second.end(),
                                          [](double x, double y) { return std::is_lt(std::strong_order(x, y)); });
    }
  };
  std::set<Less::Object, Less> seen_;
};

}  // namespace

VocAnnotation parse_voc_annotation(std::string_view text, const std::string& place, ProblemCollector& problems) {
  return VocReader(text, place, problems).read();
}

}  // namespace rtdetr
