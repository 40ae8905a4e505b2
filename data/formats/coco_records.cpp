#include "data/formats/coco_records.h"

#include <limits>
#include <optional>

#include "core/base/text.h"

namespace rtdetr {
namespace {

enum : unsigned { kId = 1, kSecond = 2, kThird = 4, kFourth = 8, kFifth = 16, kSixth = 32 };

/// Width or height: a whole number that fits.
std::optional<int> take_side(JsonReader& json) {
  const auto value = json.take_integer();
  if (!value || *value < 0 || *value > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*value);
}

/// "http://images.cocodataset.org/val2017/000000397133.jpg" → "val2017/000000397133.jpg".
std::string file_of_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(std::min(url.find('/', scheme + 3), url.size()));
  }
  std::vector<std::string> parts;
  for (std::string& part : split(url, '/')) {
    if (!part.empty()) parts.push_back(std::move(part));
  }
  if (parts.size() > 2) parts.erase(parts.begin(), parts.end() - 2);
  return join(parts, "/");
}

}  // namespace

bool read_coco_image(JsonReader& json, JsonRecord& record, CocoAnnotations::Image& image) {
  std::string url;
  record.read([&](std::string_view key) {
    if (key == "id") return record.take(kId, image.id, json.take_integer(), kWholeNumber);
    if (key == "file_name") return record.take(kSecond, image.file_name, json.take_string(), "a text");
    if (key == "width") return record.take(kThird, image.width, take_side(json), "a number of pixels");
    if (key == "height") return record.take(kFourth, image.height, take_side(json), "a number of pixels");
    if (key != "coco_url") return false;
    url = json.take_string().value_or("");  // tools that have none write anything there
    return true;
  });
  record.require(kId, "id");
  if (image.file_name.empty()) {
    image.file_name = file_of_url(url);
    image.named_by_url = !image.file_name.empty();
  }
  return record.good();
}

bool read_coco_category(JsonReader& json, JsonRecord& record, CocoAnnotations::Category& category) {
  record.read([&](std::string_view key) {
    if (key == "id") return record.take(kId, category.id, json.take_integer(), kWholeNumber);
    if (key == "name") return record.take(kSecond, category.name, json.take_label(), "a text");
    return false;
  });
  record.require(kId, "id");
  if (!record.has(kSecond)) category.name = std::to_string(category.id);
  return record.good();
}

bool read_coco_annotation(JsonReader& json, JsonRecord& record, MetricTruth& truth) {
  record.read([&](std::string_view key) {
    if (key == "id") return record.take(kId, truth.annotation_id, json.take_integer(), kWholeNumber);
    if (key == "image_id") return record.take(kSecond, truth.image_id, json.take_integer(), kWholeNumber);
    if (key == "category_id") return record.take(kThird, truth.category_id, json.take_integer(), kWholeNumber);
    if (key == "bbox") return record.take(kFourth, truth.box_xywh, json.take_box(), "[x, y, w, h]");
    if (key == "area") return record.take(kFifth, truth.area, json.take_number(), "a number");
    if (key == "iscrowd") return record.take(kSixth, truth.crowd, json.take_flag(), "0 or 1");
    return false;
  });
  record.require(kId, "id");
  record.require(kSecond, "image_id");
  record.require(kThird, "category_id");
  record.require(kFourth, "bbox");
  if (!record.has(kFifth)) truth.area = truth.box_xywh[2] * truth.box_xywh[3];
  return record.good();
}

}  // namespace rtdetr
