#include <algorithm>
#include <array>
#include <set>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/io/yaml.h"
#include "data/dataset/annotation_format.h"
#include "data/dataset/dataset.h"
#include "data/dataset/dataset_keys.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostClasses = 100'000;
/// Room for as many names, each with its index.
constexpr YamlBudget kBudget{.bytes = std::size_t{8} << 20, .values = 3 * kMostClasses};

/// Reads the document, gathering every fault so that all are shown together.
class ConfigReader {
 public:
  explicit ConfigReader(const YamlDocument& document) : document_(document) {}

  DatasetConfig read(const fs::path& file) {
    config_.file = file;
    config_.root = file.parent_path();
    if (document_.root.is_map()) {
      check_keys(document_.root, dataset_keys());
      read_path();
      for (const char* key : kSplitKeys) read_split(key);
      read_names();
      read_class_count();
      read_rest();
      check_whole();
    } else {
      fault(document_.root, "a data set is a map with the keys " + join(dataset_keys(), ", "));
    }
    if (!faults_.empty()) {
      if (more_faults_ > 0) faults_.push_back(document_.name + ": and " + counted(more_faults_, "mistake") + " more");
      faults_.insert(faults_.end(), misspelt_.begin(), misspelt_.end());
      throw ConfigError(join(faults_, "\n"));
    }
    config_.problems = problems_.take();
    return std::move(config_);
  }

 private:
  void fault(int line, const std::string& message) {
    if (faults_.size() < kMostShown) {
      faults_.push_back(document_.where(line) + ": " + message);
    } else {
      ++more_faults_;
    }
  }
  void fault(const YamlNode& node, const std::string& message) { fault(node.line, message); }

  /// Keys that are not read are warned of; those that look like one of ours may be the reason for a fault.
  void check_keys(const YamlNode& map, const std::vector<std::string>& known) {
    for (std::size_t i = 0; i < map.entries.size(); ++i) {
      const std::string& key = map.entries[i].key;
      if (std::find(known.begin(), known.end(), key) != known.end() || is_foreign_dataset_key(key)) continue;
      const std::string where = document_.where(map.key_lines[i]) + ": ", hint = dataset_key_hint(key, known);
      if (!hint.empty() && misspelt_.size() < kMostShown)
        misspelt_.push_back(where + "unknown key '" + key + "'" + hint);
      problems_.warn("unknown_key", "keys that are not known here; passed over",
                     [&] { return where + "'" + key + "'" + hint; });
    }
  }

  const YamlNode* value_of(const char* key) const {
    const YamlNode* node = document_.root.find(key);
    return node && node->is_null() ? nullptr : node;
  }

  /// Text of a path, or nothing and a fault.
  std::string path_text(const YamlNode& node, const std::string& key) {
    if (!node.is_scalar() || node.scalar.empty() || node.scalar.find('\0') != std::string::npos) {
      fault(node, "'" + key + "' must be a path, not " + node.describe());
      return {};
    }
    return expand_home(node.scalar);
  }

  void read_path() {
    const YamlNode* node = value_of("path");
    if (!node) return;
    config_.root = find_written_path(config_.root, path_text(*node, "path"));
  }

  /// Below the root. Some exporters write ../train for a folder beside the YAML: taken without the dots if only that
  /// exists.
  fs::path resolve(const std::string& text) const {
    const fs::path plain = find_written_path(config_.root, text);
    std::error_code ignored;
    if (with_slashes(text).starts_with("../") && !fs::exists(plain, ignored)) {
      const fs::path inside = find_written_path(config_.root, text.substr(3));
      if (fs::exists(inside, ignored)) return inside;
    }
    return plain;
  }

  void read_split(const char* key) {
    const YamlNode* node = value_of(key);
    if (!node) return;
    DatasetConfig::Split split;
    split.key = key;
    split.line = node->line;
    if (node->is_map()) {
      read_map_split(*node, split);
    } else if (node->is_sequence()) {
      if (node->items.empty()) fault(*node, "'" + split.key + "' is an empty list");
      for (const YamlNode& item : node->items) add_source(split, item);
    } else {
      add_source(split, *node);
      look_for_annotations(split);
    }
    config_.splits.push_back(std::move(split));
  }

  /// A folder of pictures that holds another format's annotations instead of YOLO's labels.
  static void look_for_annotations(DatasetConfig::Split& split) {
    if (split.sources.size() != 1) return;
    const auto found = find_annotations_in(split.sources.front());
    if (!found) return;
    split.format = found->format;
    split.annotations = found->annotations;
    split.images = std::move(split.sources.front());
    split.sources.clear();
    split.recognised = true;
  }

  void read_map_split(const YamlNode& map, DatasetConfig::Split& split) {
    check_keys(map, split_keys());
    split.images = read_map_path(map, split.key, "images");
    split.annotations = read_map_path(map, split.key, "annotations");
    read_format(map, split);
    const YamlNode* list = map.find("list");
    if (!list) return;
    split.list = read_map_path(map, split.key, "list");
    if (split.format == AnnotationFormat::kVoc) return;
    fault(*list, "'" + split.key + "' has a 'list', which chooses among the XML files of a folder; its annotations " +
                     split.annotations.string() + " are no folder");
  }

  /// As the key `format` says, or else as the annotations look.
  void read_format(const YamlNode& map, DatasetConfig::Split& split) {
    if (const YamlNode* format = map.find("format")) {
      try {
        split.format = chosen("'" + split.key + ".format'", format->scalar, kSplitFormatWords);
      } catch (const ConfigError& wrong) {
        fault(*format, wrong.what());
      }
      return;
    }
    RecognisedFormat recognised = recognise_annotations(split.annotations);
    if (!recognised.fault.empty())
      return fault(map.find("annotations") ? *map.find("annotations") : map,
                   "'" + split.key + "': " + recognised.fault);
    split.format = recognised.format;
    split.recognised = split.format != AnnotationFormat::kCoco && split.format != AnnotationFormat::kVoc;
  }

  fs::path read_map_path(const YamlNode& map, const std::string& split, const char* key) {
    const YamlNode* node = map.find(key);
    if (!node) {
      fault(map, "'" + split + "' needs '" + key +
                     "': it is {images: DIR, annotations: FILE} for COCO and most tools, {images: DIR, annotations: "
                     "DIR} for VOC");
      return {};
    }
    const std::string text = path_text(*node, split + "." + key);
    return text.empty() ? fs::path{} : resolve(text);
  }

  void add_source(DatasetConfig::Split& split, const YamlNode& node) {
    const std::string text = path_text(node, split.key);
    if (text.empty()) return;
    if (text.ends_with(".json")) {
      fault(node, "'" + split.key + "': annotations are given as {images: DIR, annotations: " + text + "}");
    }
    split.sources.push_back(resolve(text));
  }

  void read_names() {
    const YamlNode* node = value_of("names");
    if (!node) return;
    if (node->is_sequence()) {
      for (const YamlNode& item : node->items) add_name(item);
    } else if (node->is_map()) {
      read_name_map(*node);
    } else {
      fault(*node, "'names' must be a list of names, or a map from 0, 1, 2, … to names, not " + node->describe() +
                       (node->scalar.starts_with("0:") ? "; a blank belongs after each colon: '0: NAME'" : ""));
      return;
    }
    if (config_.names.empty()) fault(*node, "'names' is empty");
    if (config_.names.size() > static_cast<std::size_t>(kMostClasses)) {
      fault(*node, "'names' has more than " + with_thousands(kMostClasses) + " classes");
    }
    std::set<std::string> seen;
    for (const std::string& name : config_.names) {
      if (!seen.insert(name).second) fault(*node, "'names' has '" + name + "' twice; classes are told apart by name");
    }
  }

  void add_name(const YamlNode& node) {
    if (!node.is_scalar() || node.scalar.empty()) {
      fault(node, "a class name must be a text, not " + node.describe() +
                      (node.is_null() ? "; null is a name in quotes" : ""));
    }
    config_.names.push_back(node.scalar);
  }

  void read_name_map(const YamlNode& map) {
    std::vector<const YamlNode*> by_index(map.entries.size());
    for (std::size_t i = 0; i < map.entries.size(); ++i) {
      const auto index = parse_integer(map.entries[i].key);
      if (!index || *index < 0 || static_cast<std::size_t>(*index) >= by_index.size() || by_index[*index]) {
        fault(map.key_lines[i], "'names' has the index '" + map.entries[i].key + "'; its " +
                                    std::to_string(by_index.size()) + " indices must run from 0 to " +
                                    std::to_string(by_index.size() - 1));
        continue;
      }
      by_index[*index] = &map.entries[i].value;
    }
    for (const YamlNode* node : by_index) {
      if (node) add_name(*node);
    }
  }

  void read_class_count() {
    config_.class_count = static_cast<std::int64_t>(config_.names.size());
    const YamlNode* node = value_of("nc");
    if (!node) return;
    const auto count = node->as_integer();
    if (!count || *count < 1 || *count > kMostClasses) {
      fault(*node, "'nc' must be a number of classes, not " + node->describe());
    } else if (!config_.names.empty() && *count != config_.class_count) {
      fault(*node, "'nc' is " + std::to_string(*count) + ", but 'names' has " + std::to_string(config_.names.size()));
    } else {
      config_.class_count = *count;
    }
  }

  void read_rest() {
    if (const YamlNode* exif = value_of("exif")) {
      if (!exif->as_bool()) fault(*exif, "'exif' must be true or false, not " + exif->describe());
      config_.exif = exif->as_bool().value_or(false);
    }
    const YamlNode* channels = value_of("channels");
    if (channels && channels->as_integer() != 3) {
      fault(*channels, "'channels' must be 3: pictures are read as RGB, not " + channels->describe());
    }
    if (const YamlNode* shape = value_of("kpt_shape")) read_key_points(*shape);
    const bool complete =
        std::all_of(config_.splits.begin(), config_.splits.end(), [](const auto& split) { return split.is_on_disk(); });
    if (const YamlNode* download = value_of("download"); download && !complete) {
      problems_.warn("download", "'download' is not followed; fetch the data set yourself",
                     [&] { return document_.where(*download); });
    }
  }

  void read_key_points(const YamlNode& node) {
    config_.key_points.known = true;
    if (node.is_scalar() && node.scalar == "none") return;
    constexpr std::int64_t kMost = 10'000;
    const bool pair = node.is_sequence() && node.items.size() == 2;
    const std::int64_t count = pair ? node.items[0].as_integer().value_or(0) : 0;
    const std::int64_t values = pair ? node.items[1].as_integer().value_or(0) : 0;
    if (count < 1 || count > kMost || (values != 2 && values != 3)) {
      fault(node, "'kpt_shape' must be [key points, 2 or 3 values of each], or none, not " + node.describe());
      return;
    }
    config_.key_points.count = static_cast<std::size_t>(count);
    config_.key_points.values = static_cast<std::size_t>(values);
  }

  void check_whole() {
    if (config_.splits.empty()) fault(document_.root, "none of 'train', 'val', 'test' is given");
    const bool yolo = std::any_of(config_.splits.begin(), config_.splits.end(),
                                  [](const auto& s) { return s.format == AnnotationFormat::kYolo; });
    if (!yolo || !config_.names.empty()) return;
    if (config_.class_count == 0) {
      fault(document_.root, "'names' is missing: YOLO labels hold class numbers only");
      return;
    }
    for (std::int64_t i = 0; i < config_.class_count; ++i) config_.names.push_back("class_" + std::to_string(i));
  }

  const YamlDocument& document_;
  DatasetConfig config_;
  ProblemCollector problems_;
  static constexpr std::size_t kMostShown = 20;
  std::vector<std::string> faults_, misspelt_;
  std::int64_t more_faults_ = 0;
};

}  // namespace

const DatasetConfig::Split* DatasetConfig::find(const std::string& key) const {
  const auto found = std::find_if(splits.begin(), splits.end(), [&](const Split& s) { return s.key == key; });
  return found == splits.end() ? nullptr : &*found;
}

bool DatasetConfig::Split::is_on_disk() const {
  const auto exists = [](const fs::path& path) {
    std::error_code ignored;
    return !path.empty() && fs::status(path, ignored).type() != fs::file_type::not_found;
  };
  return exists(annotations) || std::any_of(sources.begin(), sources.end(), exists);
}

DatasetConfig load_dataset_config(const fs::path& yaml) {
  DatasetConfig config = inspect_dataset_config(yaml);
  for (const DataProblem& problem : config.problems) log::warning(describe(problem));
  return config;
}

DatasetConfig inspect_dataset_config(const fs::path& yaml) {
  const YamlDocument document = load_yaml(yaml, kBudget);
  return ConfigReader(document).read(yaml);
}

DatasetConfig parse_dataset_config(std::string_view text, const fs::path& yaml) {
  const YamlDocument document = parse_yaml(text, yaml.string(), kBudget);
  return ConfigReader(document).read(yaml);
}

}  // namespace rtdetr
