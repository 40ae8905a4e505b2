#include "data/dataset/dataset_build.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/exif.h"
#include "core/io/file.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "data/dataset/id_index.h"

namespace rtdetr {

namespace fs = std::filesystem;

BoxFault make_training_box(const std::array<double, 4>& box_xywh, int width, int height, std::array<float, 4>& xyxy) {
  if (!std::all_of(box_xywh.begin(), box_xywh.end(), [](double v) { return std::isfinite(v); })) {
    return BoxFault::kNotFinite;
  }
  const auto [x, y, w, h] = box_xywh;
  if (w < 0 || h < 0) return BoxFault::kInverted;
  if (w == 0 || h == 0) return BoxFault::kZeroArea;
  if (x >= width || y >= height || x + w <= 0 || y + h <= 0) return BoxFault::kOutside;

  const auto right = static_cast<float>(width), bottom = static_cast<float>(height);
  const auto left_f = static_cast<float>(x), top_f = static_cast<float>(y);
  xyxy = {std::clamp(left_f, 0.f, right), std::clamp(top_f, 0.f, bottom),
          std::clamp(left_f + static_cast<float>(w), 0.f, right),
          std::clamp(top_f + static_cast<float>(h), 0.f, bottom)};
  if (!(xyxy[2] > xyxy[0] && xyxy[3] > xyxy[1])) return BoxFault::kZeroArea;

  constexpr double kRounding = 1;  // pixels that annotation tools are off at the edge
  const double beyond = std::max({-x, -y, x + w - width, y + h - height});
  return beyond > kRounding ? BoxFault::kClipped : BoxFault::kNone;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_absent(const fs::path& path) {
  std::error_code ignored;
  if (fs::symlink_status(path, ignored).type() != fs::file_type::not_found) return false;
  const fs::path folder = path.parent_path();
  return !fs::is_symlink(folder, ignored) || fs::exists(folder, ignored);
}

std::optional<std::string> read_label_file(const fs::path& file, std::size_t limit, ProblemCollector& problems) {
  try {
    return read_text_file(file, limit);
  } catch (const IoError& fault) {
    problems.error("unreadable_label", "label files cannot be read", [&] { return std::string(fault.what()); });
    return std::nullopt;
  }
}

bool needs_boxes(const std::string& split) { return split != "test"; }

bool is_left_out(const DatasetConfig::Split& split) { return split.key == "test" && !split.is_on_disk(); }

void read_size(const Dataset& dataset, Dataset::PictureEntry& picture, ProblemCollector& problems) {
  try {
    const PictureSize size = dataset.exif ? read_upright_picture_size(picture.file) : read_picture_size(picture.file);
    picture.width = size.width;
    picture.height = size.height;
  } catch (const Error& fault) {
    picture.readable = false;
    problems.error("unreadable_picture", "pictures cannot be read", [&] { return std::string(fault.what()); });
  }
}

bool stays_inside(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || name.find('\0') != std::string::npos || path.is_absolute()) return false;
  int depth = 0;
  for (const fs::path& part : path) {
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (part != "." && !part.empty()) {
      ++depth;
    }
  }
  return depth > 0;
}

std::string box_text(const std::array<double, 4>& box) {
  std::vector<std::string> numbers;
  for (const double value : box) numbers.push_back(format_double(value));
  std::string text = "[";
  return text.append(join(numbers, ", ")).append("]");
}

std::vector<std::int32_t> set_classes(Dataset& dataset, const ClassList& file, const std::vector<std::string>* wanted,
                                      ProblemCollector& problems) {
  ClassMapping mapping = map_classes(file, wanted ? *wanted : file.names, dataset.name);
  for (const std::string& name : mapping.absent) {
    problems.warn("class_absent", "classes of the model that the data set does not have; they are not evaluated",
                  [&] { return "'" + name + "'"; });
  }
  dataset.classes = std::move(mapping.classes);
  return std::move(mapping.index_of);
}

namespace {

/// How often listed pictures have each class that is not wanted, by category id.
std::map<std::int64_t, std::int64_t> count_unwanted(const Dataset& dataset, const ClassList& file,
                                                    std::span<const std::int32_t> label_of) {
  std::map<std::int64_t, std::int64_t> counts;
  for (std::size_t i = 0; i < label_of.size(); ++i) {
    if (label_of[i] == kUnwantedClass) counts[file.category_ids[i]] = 0;
  }
  if (counts.empty()) return counts;
  const IdIndex pictures(dataset.truth.image_ids);
  for (const MetricTruth& truth : dataset.truth.truths) {
    const auto unwanted = counts.find(truth.category_id);
    if (unwanted != counts.end() && pictures.find(truth.image_id) != IdIndex::kNone) ++unwanted->second;
  }
  return counts;
}

/// @param all  the classes in use and those they lack
std::string unwanted_message(const Dataset& dataset, const std::vector<std::string>& all) {
  constexpr std::size_t kMostWritten = 20;
  YamlNode names;
  names.kind = YamlNode::Kind::kSequence;
  for (const std::string& name : all) names.items.push_back(yaml_scalar(name));
  const std::string list = all.size() > kMostWritten ? "that lists these too" : names.to_flow();
  return "annotations are of classes that are not among those in use, " + quoted_names(dataset.classes.names) +
         "; names: " + list +
         " in the data set's YAML gives all splits one list, which a model must have been trained with";
}

}  // namespace

void report_unwanted_classes(Dataset& dataset, const ClassList& file, std::span<const std::int32_t> label_of,
                             ProblemCollector& problems) {
  const std::map<std::int64_t, std::int64_t> counts = count_unwanted(dataset, file, label_of);
  if (counts.empty()) return;
  std::vector<std::string> all = dataset.classes.names;
  for (std::size_t i = 0; i < file.names.size(); ++i) {
    const auto found = counts.find(file.category_ids[i]);
    if (found != counts.end() && found->second > 0) all.push_back(file.names[i]);
  }
  const std::string message = unwanted_message(dataset, all);
  for (std::size_t i = 0; i < file.names.size(); ++i) {
    const auto found = counts.find(file.category_ids[i]);
    if (found == counts.end()) continue;
    const std::string name = "'" + file.names[i] + "'";
    if (found->second == 0) {
      problems.warn("unused_class", "listed classes that nothing is annotated with are not among those in use; ignored",
                    [&] { return name; });
    } else {
      problems.error("unwanted_class", message, [&] { return name + ": " + counted(found->second, "annotation"); });
    }
  }
  std::erase_if(dataset.truth.category_ids, [&](std::int64_t id) { return counts.contains(id); });
}

}  // namespace rtdetr
