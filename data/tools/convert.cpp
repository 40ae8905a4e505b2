#include "data/tools/convert.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "data/dataset/dataset_build.h"
#include "data/formats/yolo_labels.h"
#include "data/tools/convert_folder.h"
#include "data/tools/convert_writers.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

bool is_finite(const MetricTruth& truth) {
  return std::isfinite(truth.area) &&
         std::all_of(truth.box_xywh.begin(), truth.box_xywh.end(), [](double v) { return std::isfinite(v); });
}

class Converter {
 public:
  Converter(const DatasetConfig& config, const ConvertOptions& options, const fs::path& folder)
      : config_(config), options_(options), folder_(folder) {}

  std::vector<Conversion::Split> run() {
    YamlNode yaml = map_node();
    for (const auto& split : config_.splits) {
      if (is_left_out(split)) {
        log::warning(config_.file.string() + ": '" + split.key + "' is not on disk; left out");
        continue;
      }
      const Dataset dataset = load_dataset(config_, split.key, classes_.names.empty() ? nullptr : &classes_);
      if (classes_.names.empty()) set_classes(dataset);
      add_split(split.key, dataset);
      yaml.entries.push_back({split.key, split_node(split.key)});
    }
    YamlNode names;
    names.kind = YamlNode::Kind::kSequence;
    for (const std::string& name : classes_.names) names.items.push_back(yaml_scalar(name, true));
    yaml.entries.push_back({"names", std::move(names)});
    if (config_.exif) yaml.entries.push_back({"exif", yaml_scalar("true")});
    write_unpublished(folder_ / "dataset.yaml", write_yaml(yaml));
    return std::move(splits_);
  }

 private:
  static YamlNode map_node() {
    YamlNode node;
    node.kind = YamlNode::Kind::kMap;
    return node;
  }
  static std::string images_of(const std::string& key) { return "images/" + key; }
  static std::string json_of(const std::string& key) { return "annotations/instances_" + key + ".json"; }

  YamlNode split_node(const std::string& key) const {
    if (options_.to == AnnotationFormat::kYolo) return yaml_scalar(images_of(key));
    YamlNode node = map_node();
    node.entries.push_back({"images", yaml_scalar(images_of(key))});
    const bool coco = options_.to == AnnotationFormat::kCoco;
    node.entries.push_back({"annotations", yaml_scalar(coco ? json_of(key) : written_annotations(options_.to, key))});
    if (!coco) node.entries.push_back({"format", yaml_scalar(word_of(options_.to, kWritableFormatWords))});
    return node;
  }

  /// A wanted class that the file lacks has an id that is nobody's; the smallest free one reads better.
  void set_classes(const Dataset& first) {
    classes_ = first.classes;
    refuse_namesakes(first);
    refuse_unwritable_names(first);
    std::set<std::int64_t> used(first.truth.category_ids.begin(), first.truth.category_ids.end());
    std::int64_t free = 0;
    for (std::int64_t& id : classes_.category_ids) {
      if (std::find(first.truth.category_ids.begin(), first.truth.category_ids.end(), id) !=
          first.truth.category_ids.end())
        continue;
      while (!used.insert(free).second) ++free;
      id = free;
    }
  }

  /// What is written lists classes by name, for all splits.
  void refuse_namesakes(const Dataset& first) const {
    std::map<std::string, std::int64_t> ids;
    for (std::size_t i = 0; i < classes_.names.size(); ++i) {
      const auto [other, is_new] = ids.emplace(classes_.names[i], classes_.category_ids[i]);
      if (is_new) continue;
      throw DataError(first.name + ": the classes with the ids " + std::to_string(other->second) + " and " +
                      std::to_string(classes_.category_ids[i]) + " are both called '" + other->first +
                      "'; a written data set tells classes apart by name: rename one of them");
    }
  }

  /// Readers refuse a class without a name, and those of XML do not see blanks at its ends.
  void refuse_unwritable_names(const Dataset& first) const {
    const bool trimmed = options_.to == AnnotationFormat::kVoc || options_.to == AnnotationFormat::kCvat;
    for (const std::string& name : classes_.names)
      if (name.empty() || (trimmed && trim(name) != name))
        throw DataError(first.name + ": the class '" + name + "' " +
                        (name.empty() ? "has no name" : "has blanks at an end of its name") +
                        ", which would not be read back; rename it");
  }

  void add_split(const std::string& key, const Dataset& dataset) {
    splits_.push_back({.key = key, .pictures = static_cast<std::int64_t>(dataset.pictures.size())});
    const std::vector<fs::path> names =
        place_pictures(folder_ / images_of(key), dataset.pictures, options_.copy_pictures);
    index_of_class_.clear();
    for (std::size_t i = 0; i < dataset.classes.category_ids.size(); ++i) {
      index_of_class_[dataset.classes.category_ids[i]] = i;
    }
    index_of_picture_.clear();
    for (std::size_t i = 0; i < dataset.pictures.size(); ++i) index_of_picture_[dataset.pictures[i].id] = i;
    if (options_.to == AnnotationFormat::kCoco) {
      write_coco(folder_ / json_of(key), dataset, names);
    } else if (options_.to == AnnotationFormat::kYolo) {
      write_yolo(folder_ / images_of(key), dataset, names);
    } else {
      write_tool(key, dataset, names);
    }
  }

  /// Boxes as they are; what has no area, and crowds where the format has none, are left out.
  void write_tool(const std::string& key, const Dataset& dataset, const std::vector<fs::path>& names) {
    WrittenSplit split{key, folder_ / images_of(key), classes_.names, {}};
    for (std::size_t i = 0; i < names.size(); ++i)
      split.pictures.push_back({names[i], dataset.pictures[i].width, dataset.pictures[i].height, {}});
    for (const MetricTruth& truth : dataset.truth.truths) {
      const auto place = place_of(truth);
      if (!place) continue;
      const bool crowd = truth.crowd && options_.to != AnnotationFormat::kDatumaro;
      if (crowd || !(truth.box_xywh[2] > 0 && truth.box_xywh[3] > 0)) {
        ++splits_.back().left_out;
        continue;
      }
      ++splits_.back().boxes;
      split.pictures[place->picture].boxes.push_back({place->label, truth.box_xywh, truth.crowd});
    }
    write_annotations(options_.to, split, folder_ / written_annotations(options_.to, key));
  }

  /// nullopt: of a picture or class that is not listed, or not a number; counted.
  struct Place {
    std::size_t picture, label;
  };
  std::optional<Place> place_of(const MetricTruth& truth) {
    const auto picture = index_of_picture_.find(truth.image_id);
    const auto label = index_of_class_.find(truth.category_id);
    if (picture == index_of_picture_.end() || label == index_of_class_.end() || !is_finite(truth)) {
      ++splits_.back().left_out;
      return std::nullopt;
    }
    return Place{picture->second, label->second};
  }

  void write_coco(const fs::path& file, const Dataset& dataset, const std::vector<fs::path>& names) {
    std::string text = "{\"images\":[";
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto& picture = dataset.pictures[i];
      text += std::string(i ? ",\n" : "\n") + "{\"id\":" + std::to_string(picture.id) +
              ",\"file_name\":" + json_text_of(names[i].string()) + ",\"width\":" + std::to_string(picture.width) +
              ",\"height\":" + std::to_string(picture.height) + "}";
    }
    text += "\n],\"annotations\":[";
    bool first = true;
    for (const MetricTruth& truth : dataset.truth.truths) {
      const auto place = place_of(truth);
      if (!place) continue;
      ++splits_.back().boxes;
      text += std::string(first ? "\n" : ",\n") + "{\"id\":" + std::to_string(truth.annotation_id) +
              ",\"image_id\":" + std::to_string(truth.image_id) +
              ",\"category_id\":" + std::to_string(classes_.category_ids[place->label]) +
              ",\"bbox\":" + box_text(truth.box_xywh) + ",\"area\":" + format_double(truth.area) +
              ",\"iscrowd\":" + (truth.crowd ? "1" : "0") + "}";
      first = false;
    }
    text += "\n],\"categories\":[";
    for (std::size_t i = 0; i < classes_.names.size(); ++i) {
      text += std::string(i ? ",\n" : "\n") + "{\"id\":" + std::to_string(classes_.category_ids[i]) +
              ",\"name\":" + json_text_of(classes_.names[i]) + "}";
    }
    text += "\n]}\n";
    write_unpublished(file, text);
  }

  void write_yolo(const fs::path& images, const Dataset& dataset, const std::vector<fs::path>& names) {
    std::vector<std::string> rows(names.size());
    for (const MetricTruth& truth : dataset.truth.truths) {
      const auto place = place_of(truth);
      if (place) rows[place->picture] += yolo_row(truth, dataset.pictures[place->picture], place->label);
    }
    OwnFiles files;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const fs::path file = yolo_label_path(images / names[i]);
      files.claim(file, names[i]);
      write_unpublished(file, rows[i]);
    }
  }

  /// "" for what YOLO cannot say.
  std::string yolo_row(const MetricTruth& truth, const Dataset::PictureEntry& picture, std::size_t label) {
    std::array<float, 4> rounded;
    const BoxFault fault = make_training_box(truth.box_xywh, picture.width, picture.height, rounded);
    if (truth.crowd || (fault != BoxFault::kNone && fault != BoxFault::kClipped)) {
      ++splits_.back().left_out;
      return "";
    }
    ++splits_.back().boxes;
    const auto [x, y, w, h] = truth.box_xywh;
    const double width = picture.width, height = picture.height;
    const double left = std::max(x, 0.0), top = std::max(y, 0.0);
    const double right = std::min(x + w, width), bottom = std::min(y + h, height);
    return std::to_string(label) + " " + format_double((left + right) / 2 / width) + " " +
           format_double((top + bottom) / 2 / height) + " " + format_double((right - left) / width) + " " +
           format_double((bottom - top) / height) + "\n";
  }

  const DatasetConfig& config_;
  const ConvertOptions options_;
  const fs::path folder_;
  ClassList classes_;
  std::vector<Conversion::Split> splits_;
  std::unordered_map<std::int64_t, std::size_t> index_of_class_, index_of_picture_;
};

}  // namespace

Conversion convert_dataset(const DatasetConfig& config, const fs::path& output, const ConvertOptions& options) {
  word_of(options.to, kWritableFormatWords);  // or it is none of them
  FolderInMaking folder(new_folder(output));
  Conversion conversion;
  try {
    conversion.splits = Converter(config, options, folder.path()).run();
  } catch (const fs::filesystem_error& fault) {
    throw IoError(std::string("nothing was written to ") + output.string() + ": " + fault.what());
  }
  synced_or_said([&] { folder.publish(); });
  conversion.config = output / "dataset.yaml";
  return conversion;
}

}  // namespace rtdetr
