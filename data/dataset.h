#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/coco_metric.h"
#include "data/sample.h"

namespace rtdetr {

/// A problem found in a data set: what `rtdetr check` lists.
struct DataProblem {
  enum class Severity { kWarning, kError } severity = Severity::kWarning;
  std::string kind;     ///< stable word, e.g. "box_outside", "missing_picture"
  std::string where;    ///< file:line, or file and annotation id
  std::string message;
};

/// Classes in index order. The index is always made explicitly from the file, never taken to be its id.
struct ClassList {
  std::vector<std::string> names;          ///< by index
  std::vector<std::int64_t> category_ids;  ///< by index: the file's ids (YOLO: the index itself)
};

/// One split in memory: flat arrays, file order.
struct Dataset {
  std::string name;                        ///< for messages: the YAML and the split
  ClassList classes;
  struct PictureEntry {
    std::filesystem::path file;
    std::int64_t id = 0;                   ///< COCO image id; YOLO: the index
    int width = 0, height = 0;             ///< as annotated or from the header
    std::uint32_t first_box = 0, box_count = 0;
  };
  struct BoxEntry {
    std::array<float, 4> xyxy{};           ///< pixels, clipped to the picture (spec/official §6.1)
    std::int32_t label = 0;
  };
  std::vector<PictureEntry> pictures;      ///< ascending id (COCO) or path (YOLO); pictures without boxes stay
  std::vector<BoxEntry> boxes;             ///< training boxes: crowds and degenerate ones left out
  MetricInput truth;                       ///< everything the metric needs, crowds included
  std::vector<DataProblem> problems;       ///< what was found while reading
};

/// A dataset YAML (design §9.6): `path`, `train`, `val`, `test`, `names`.
struct DatasetConfig {
  std::filesystem::path file;
  std::filesystem::path root;
  struct Split {
    std::string key;                                  ///< "train", "val", "test"
    bool coco = false;
    std::filesystem::path images;                     ///< COCO: folder of pictures
    std::filesystem::path annotations;                ///< COCO: JSON file
    std::vector<std::filesystem::path> sources;       ///< YOLO: folders or .txt lists
    int line = 0;
  };
  std::vector<Split> splits;
  std::vector<std::string> names;                     ///< may be empty with COCO
  const Split* find(const std::string& key) const;
};

/// @throws ConfigError  file:line and the nearest key
DatasetConfig load_dataset_config(const std::filesystem::path& yaml);

/// Reads one split. Problems that leave a usable data set are collected in `problems`; what cannot be used throws.
/// @param classes  when given (val of a model, fine-tuning): labels are mapped to this list by name
/// @throws DataError, ConfigError
Dataset load_dataset(const DatasetConfig& config, const std::string& split, const ClassList* classes = nullptr);
Dataset load_coco(const std::filesystem::path& annotations, const std::filesystem::path& images,
                  const ClassList* classes = nullptr);

/// Decoded picture and boxes of one entry. @throws DataError
Sample load_sample(const Dataset& dataset, std::int64_t picture_index);

}  // namespace rtdetr
