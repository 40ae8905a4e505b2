#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/image/picture_names.h"
#include "core/io/utf8.h"
#include "data/formats/json_record.h"
#include "data/formats/shapes.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using Token = JsonReader::Token;

/// One region of a result. Keys are those of its `value`, in percent of the picture.
struct StudioRegion {
  std::string id, type;
  std::map<std::string, double, std::less<>> numbers;  ///< x, y, width, height, rotation, radiusX, radiusY, original_…
  std::vector<double> points;
  std::vector<std::string> labels;

  double number(std::string_view key) const { return numbers.at(std::string(key)); }
  bool has(std::initializer_list<const char*> keys) const {
    return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return numbers.contains(key); });
  }
};

struct StudioTask {
  std::string picture;                             ///< as the task names it
  bool full = false;                               ///< has the list 'annotations'; JSON-MIN has the regions themselves
  std::vector<std::vector<StudioRegion>> results;  ///< of annotations that were not cancelled
  std::vector<StudioRegion> plain;                 ///< of JSON-MIN
};

constexpr std::string_view kHex = "0123456789abcdef";

/// "%20" as a blank; a percent sign that begins no such code stays.
std::string url_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t high =
        i + 2 < text.size() && text[i] == '%' ? kHex.find(lower_case(text.substr(i + 1, 1))) : kHex.npos;
    const std::size_t low = high != kHex.npos ? kHex.find(lower_case(text.substr(i + 2, 1))) : kHex.npos;
    if (low == kHex.npos) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

/// The name of a picture in "/data/upload/1/3f2a91bc-a.jpg", "/data/local-files/?d=folder/a.jpg", "s3://bucket/a.jpg".
std::string name_of_url(std::string_view url) {
  if (const auto local = url.find("?d="); local != std::string_view::npos) return url_decoded(url.substr(local + 3));
  return url_decoded(url.substr(0, url.find_first_of("?#")));
}

/// Uploading puts eight hexadecimal digits before a name: "3f2a91bc-a.jpg" was "a.jpg". "" if there are none.
std::string without_upload_prefix(const std::string& name) {
  constexpr std::size_t kDigits = 8;
  const std::string file = fs::path(with_slashes(name)).filename().string();
  if (file.size() <= kDigits + 1 || file[kDigits] != '-') return "";
  const bool hex = std::string_view(file).substr(0, kDigits).find_first_not_of(kHex) == std::string_view::npos;
  return hex ? file.substr(kDigits + 1) : "";
}

class LabelStudioReader {
 public:
  LabelStudioReader(const DatasetConfig::Split& split, ProblemCollector& problems)
      : json_(split.annotations), pictures_(split.images), problems_(problems) {}

  NamedAnnotations read() {
    annotations_.fractions = true;
    annotations_.says_sizes = false;  // regions do, a task without any has no place for it
    annotations_.object = ", region ";
    const bool list = read_items(json_, [&](Token first, std::size_t index) {
      place_ = json_.name() + ": tasks[" + std::to_string(index) + "]";
      read_task(first);
    });
    if (!list) json_.fail("Label Studio's JSON is a list of tasks");
    json_.next();  // nothing may follow
    return std::move(annotations_);
  }

 private:
  void complain(const std::string& detail) {
    problems_.error("bad_field", "fields are missing or of the wrong type", [&] { return place_ + ": " + detail; });
  }

  void read_task(Token first) {
    StudioTask task;
    const bool object = read_members_of(json_, first, [&](const std::string& key) { return take_member(key, task); });
    if (!object) return complain("is no object");
    if (task.picture.empty()) return complain("no text in 'data' names a picture");
    if (!task.full) task.results.push_back(std::move(task.plain));
    if (task.results.empty()) {
      problems_.warn("not_annotated", "tasks have no annotation that was not cancelled; left out",
                     [&] { return place_; });
      return;
    }
    if (task.results.size() > 1) {
      problems_.warn("more_annotations", "tasks have several annotations; the first of each is taken",
                     [&] { return place_ + ": " + std::to_string(task.results.size()); });
    }
    add_picture(task);
  }

  bool take_member(const std::string& key, StudioTask& task) {
    if (key == "predictions" || key == "drafts" || key == "meta") return false;
    if (key == "annotations" || key == "completions") {
      task.full = true;
      read_items(json_, [&](Token first, std::size_t) { read_annotation(first, task); });
      return true;
    }
    if (key == "data") {
      read_members(json_, [&](const std::string& name) { return take_text(name, task); });
      return true;
    }
    // JSON-MIN: the task's data and its regions side by side.
    const Token first = json_.next();
    if (first == Token::kString) note_text(key, task);
    if (first != Token::kBeginArray) {
      json_.skip(first);
      return true;
    }
    for (Token item = json_.next(); item != Token::kEndArray; item = json_.next()) {
      StudioRegion region = read_region(item);
      if (region.has({"original_width", "original_height"})) task.plain.push_back(std::move(region));
    }
    return true;
  }

  bool take_text(const std::string& key, StudioTask& task) {
    const Token first = json_.next();
    if (first == Token::kString) note_text(key, task);
    json_.skip(first);
    return true;
  }

  /// The text that was just read names the picture, if it looks like one or its key says so.
  void note_text(const std::string& key, StudioTask& task) {
    const std::string name = name_of_url(json_.text());
    const bool named = key == "image" || key == "img";
    if (!is_utf8(name) || name.empty() || (!named && !has_picture_extension(fs::path(name)))) return;
    if (named || task.picture.empty()) task.picture = name;
  }

  void read_annotation(Token first, StudioTask& task) {
    bool cancelled = false;
    std::vector<StudioRegion> result;
    read_members_of(json_, first, [&](const std::string& key) {
      if (key == "was_cancelled") {
        cancelled = json_.take_flag().value_or(false);
        return true;
      }
      if (key != "result") return false;
      read_items(json_, [&](Token item, std::size_t) { result.push_back(read_region(item)); });
      return true;
    });
    if (!cancelled) task.results.push_back(std::move(result));
  }

  StudioRegion read_region(Token first) {
    StudioRegion region;
    read_members_of(json_, first, [&](const std::string& key) { return take_region_member(key, region); });
    return region;
  }

  bool take_region_member(const std::string& key, StudioRegion& region) {
    if (key == "value")
      return read_members(json_, [&](const std::string& k) { return take_region_member(k, region); }), true;
    if (key == "id") return region.id = json_.take_label().value_or(""), true;
    if (key == "type") return region.type = json_.take_string().value_or(""), true;
    if (key == "points") return take_numbers(json_, region.points), true;
    for (const char* number : {"x", "y", "width", "height", "rotation", "radiusX", "radiusY", "original_width",
                               "original_height", "image_rotation"}) {
      if (key != number) continue;
      if (const auto value = json_.take_number()) {
        region.numbers[key] = *value;
      } else if (!json_.took_null()) {
        complain("'" + key + "' must be a number, not " + json_.describe_value());
      }
      return true;
    }
    if (!key.ends_with("labels")) return false;
    if (region.type.empty() || region.type == "rectangle") region.type = key;
    read_items(json_, [&](Token item, std::size_t) {
      if (item == Token::kString && is_utf8(json_.text())) region.labels.emplace_back(json_.text());
      json_.skip(item);
    });
    return true;
  }

  void add_picture(const StudioTask& task) {
    NamedPicture picture;
    picture.place = place_ + " ('" + excerpt(task.picture, 200) + "')";
    picture.file = pictures_.find(task.picture);
    if (const std::string uploaded = without_upload_prefix(task.picture);
        !pictures_.has(task.picture) && pictures_.has(uploaded)) {
      picture.file = pictures_.find(uploaded);
    }
    std::set<std::string> labelled;
    for (const StudioRegion& region : task.results.front()) {
      if (!region.labels.empty()) labelled.insert(region.id);
    }
    std::uint32_t number = 0;
    for (const StudioRegion& region : task.results.front()) {
      ++number;
      const bool half = region.labels.empty() && region.type == "rectangle";  // of a pair: the other has the label
      if (half && labelled.contains(region.id)) continue;
      add_region(region, number, picture);
    }
    annotations_.pictures.push_back(std::move(picture));
  }

  void add_region(const StudioRegion& region, std::uint32_t number, NamedPicture& picture) {
    const auto place = [&] {
      return picture.place + ", region " + std::to_string(number) + ", " + excerpt(region.type);
    };
    if (region.has({"original_width", "original_height"})) {
      const double width = region.number("original_width"), height = region.number("original_height");
      constexpr double kMost = 1 << 30;
      if (!(width >= 1 && width <= kMost && height >= 1 && height <= kMost)) return complain("sizes are no pixels");
      picture.width = static_cast<int>(width);
      picture.height = static_cast<int>(height);
    }
    if (region.has({"image_rotation"}) && region.number("image_rotation") != 0) {
      problems_.error("turned_picture",
                      "regions were drawn on a picture turned by hand; turn the file and draw it anew", place);
      return;
    }
    const auto box = box_of(region, place);
    if (!box) return;
    if (region.labels.empty()) {
      problems_.warn("no_label", "boxes have no label; left out", place);
      return;
    }
    if (region.labels.size() > 1) {
      problems_.warn("more_labels", "boxes have several labels; the first is taken", place);
    }
    std::array<double, 4> xywh = *box;
    for (double& value : xywh) value /= 100;  // percent
    picture.boxes.push_back({xywh, annotations_.index_of(region.labels.front()), number, false});
  }

  /// In percent; nullopt: none, which is told.
  template <class Place>
  std::optional<std::array<double, 4>> box_of(const StudioRegion& region, const Place& place) {
    if (region.type == "polygonlabels" && region.points.size() >= 6) {
      report_outline(problems_, place);
      return box_around(region.points);
    }
    const double degrees = region.has({"rotation"}) ? region.number("rotation") : 0;
    const bool ellipse = region.has({"x", "y", "radiusX", "radiusY"});
    if (!ellipse && !region.has({"x", "y", "width", "height"})) {
      report_no_box(problems_, place);
      return std::nullopt;
    }
    if (degrees != 0 && !region.has({"original_width", "original_height"})) {
      complain("a turned region needs 'original_width' and 'original_height'");
      return std::nullopt;
    }
    // Turning mixes the axes, whose percents differ.
    const double sx = degrees != 0 ? region.number("original_width") : 1;
    const double sy = degrees != 0 ? region.number("original_height") : 1;
    std::array<double, 4> box{};
    if (ellipse) {
      report_outline(problems_, place);
      box = box_around_ellipse({region.number("x") * sx, region.number("y") * sy},
                               {region.number("radiusX") * sx, region.number("radiusY") * sy}, degrees);
    } else {
      box = {region.number("x") * sx, region.number("y") * sy, region.number("width") * sx,
             region.number("height") * sy};
      if (degrees != 0) {
        report_turned(problems_, place);
        box = box_around_turned(box, degrees, {0, 0});
      }
    }
    return std::array<double, 4>{box[0] / sx, box[1] / sy, box[2] / sx, box[3] / sy};
  }

  JsonReader json_;
  NamedPictures pictures_;
  ProblemCollector& problems_;
  NamedAnnotations annotations_;
  std::string place_;
};

}  // namespace

NamedAnnotations read_label_studio(const DatasetConfig::Split& split, ProblemCollector& problems) {
  return LabelStudioReader(split, problems).read();
}

}  // namespace rtdetr
