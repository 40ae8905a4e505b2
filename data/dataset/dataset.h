#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/choices.h"
#include "data/dataset/class_list.h"
#include "data/dataset/data_problem.h"
#include "data/dataset/key_points.h"
#include "data/dataset/metric_types.h"
#include "data/dataset/sample.h"

namespace rtdetr {

/// One split in memory: flat arrays, file order.
struct Dataset {
  std::string name;  ///< for messages: the YAML and the split
  ClassList classes;
  struct PictureEntry {
    std::filesystem::path file;
    std::int64_t id = 0;        ///< COCO image id; else the index
    int width = 0, height = 0;  ///< as annotated or from the header; 0: neither was to be had, nor boxes
    std::uint32_t first_box = 0, box_count = 0;
    bool readable = true;   ///< as far as reading the data set showed; the Loader finds a substitute for others
    bool annotated = true;  ///< false: there is no label file, or no entry, and so no boxes
  };
  struct BoxEntry {
    std::array<float, 4> xyxy{};  ///< pixels, clipped to the picture (make_training_box)
    std::int32_t label = 0;
  };
  std::vector<PictureEntry> pictures;  ///< ascending id (COCO) or path; pictures without boxes stay
  std::vector<BoxEntry> boxes;         ///< training boxes: crowds and degenerate ones left out
  bool exif = false;                   ///< pictures are turned upright as EXIF says; boxes belong to the upright ones
  double max_bad = 0;                  ///< share of pictures that may be unreadable
  PictureLimits limits;                ///< of its pictures
  bool sizes_are_annotated = true;     ///< not taken from the pictures
  MetricInput truth;                   ///< everything the metric needs, crowds included, in the file's ids
  std::vector<DataProblem> problems;   ///< what was found while reading
};

/// What annotations are written in; of all but YOLO's the YAML names the folder of pictures and the annotations.
enum class AnnotationFormat {
  kYolo,         ///< one txt beside each picture
  kCoco,         ///< one JSON file
  kVoc,          ///< Pascal VOC: a folder, XML for each picture
  kLabelme,      ///< a folder, JSON for each picture
  kCvat,         ///< one XML file
  kLabelStudio,  ///< one JSON file
  kVia,          ///< VGG Image Annotator: one JSON or CSV file
  kDatumaro,     ///< one JSON file
  kKitti,        ///< a folder, txt for each picture
  kCsv,          ///< a table of filename, class and corners
  kOpenImages,   ///< a table
};
/// As the key `format` of a split says them.
inline constexpr std::array<Choice<AnnotationFormat>, 10> kSplitFormatWords{
    {{"coco", AnnotationFormat::kCoco},
     {"voc", AnnotationFormat::kVoc},
     {"labelme", AnnotationFormat::kLabelme},
     {"cvat", AnnotationFormat::kCvat},
     {"label_studio", AnnotationFormat::kLabelStudio},
     {"via", AnnotationFormat::kVia},
     {"datumaro", AnnotationFormat::kDatumaro},
     {"kitti", AnnotationFormat::kKitti},
     {"csv", AnnotationFormat::kCsv},
     {"open_images", AnnotationFormat::kOpenImages}}};
/// Those that a data set can be written in.
inline constexpr std::array<Choice<AnnotationFormat>, 6> kWritableFormatWords{
    {{"coco", AnnotationFormat::kCoco},
     {"yolo", AnnotationFormat::kYolo},
     {"voc", AnnotationFormat::kVoc},
     {"cvat", AnnotationFormat::kCvat},
     {"labelme", AnnotationFormat::kLabelme},
     {"datumaro", AnnotationFormat::kDatumaro}}};

/// The parts that a dataset YAML may name.
inline constexpr std::array<const char*, 3> kSplitKeys{"train", "val", "test"};

/// A dataset YAML: `path`, `train`, `val`, `test`, `names` (docs/howto/data-sets.md).
struct DatasetConfig {
  std::filesystem::path file;
  std::filesystem::path root;
  struct Split {
    std::string key;  ///< of kSplitKeys
    AnnotationFormat format = AnnotationFormat::kYolo;
    std::filesystem::path images;                ///< all but YOLO: folder of pictures
    std::filesystem::path annotations;           ///< all but YOLO: a file, or a folder of files
    std::filesystem::path list;                  ///< VOC: names of the split's files; empty: all pictures
    std::vector<std::filesystem::path> sources;  ///< YOLO: folders or .txt lists
    int line = 0;
    bool recognised = false;  ///< the format is told by the annotations' content, not by the YAML
    bool is_on_disk() const;  ///< one of its sources, or its annotations, is there
  };
  std::vector<Split> splits;
  std::vector<std::string> names;                   ///< may be empty where labels are not numbers alone
  std::int64_t class_count = 0;                     ///< `nc`, or how many names; 0 if the file says neither
  KeyPointShape key_points;                         ///< YOLO: what label rows hold behind their box
  std::vector<DataProblem> problems;                ///< warnings of the file itself: keys that are not read
  bool exif = false;                                ///< boxes were drawn on pictures turned upright as EXIF says
  double max_bad = 0;                               ///< unreadable pictures that `train` may have; set by training
  PictureLimits limits;                             ///< of the pictures; set by whoever decodes them
  const Split* find(const std::string& key) const;  ///< nullptr if the file has no such split
};

/// Keys: path, train, val, test, names, nc, exif (false), channels (3), kpt_shape, download (never followed). Keys that
/// other programs write for themselves are passed over; of others a warning is logged, with the nearest key.
/// @throws ConfigError  file:line and the rule; IoError if it cannot be read
DatasetConfig load_dataset_config(const std::filesystem::path& yaml);
/// The same, but warnings are only gathered in `problems`: for the doctor.
DatasetConfig inspect_dataset_config(const std::filesystem::path& yaml);
/// @param yaml  what the text is taken for: messages name it, paths are relative to its folder
DatasetConfig parse_dataset_config(std::string_view text, const std::filesystem::path& yaml);

/// Reads one split. What leaves a usable data set (bad boxes, unknown ids, …) is logged once per kind and kept in
/// `problems`; what does not (wrong types, missing pictures, ambiguous ids, …) is thrown as one summary. Of the split
/// "train", a share of max_bad may be missing or unreadable: Loader finds substitutes.
///
/// @param classes  when given (val of a model, fine-tuning): labels are mapped to this list by name (map_classes);
///                 otherwise the YAML's `names` are that list, or else the file's own classes in ascending id
/// @throws DataError, ConfigError
Dataset load_dataset(const DatasetConfig& config, const std::string& split, const ClassList* classes = nullptr);
/// The same for an AP: without one usable box also `test` is refused.
Dataset load_evaluated(const DatasetConfig& config, const std::string& split, const ClassList& classes);

/// Like load_dataset, but errors too are only gathered in `problems`, and nothing is logged: for the doctor.
/// @throws DataError  only if the annotations are no JSON at all; IoError
Dataset inspect_dataset(const DatasetConfig& config, const std::string& split, const ClassList* classes = nullptr);
Dataset inspect_coco(const std::filesystem::path& annotations, const std::filesystem::path& images,
                     const ClassList* classes = nullptr);

/// The entry's picture as its boxes know it: as stored, or upright. @throws DataError  if it cannot be decoded
Picture read_picture_of(const Dataset& dataset, const Dataset::PictureEntry& entry);

/// Decoded picture and boxes of one entry.
/// @throws DataError  if it cannot be decoded, or is not of the size that the annotations say
Sample load_sample(const Dataset& dataset, std::int64_t picture_index);

}  // namespace rtdetr
