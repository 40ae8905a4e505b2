#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset/data_problem.h"
#include "data/dataset/metric_types.h"

namespace rtdetr {

/// A COCO instances file as flat records, file order. Ids listed twice are here once.
struct CocoAnnotations {
  struct Image {
    std::int64_t id = 0;
    int width = 0, height = 0;  ///< 0 if the file does not say
    std::string file_name;      ///< empty if the file says neither it nor 'coco_url'
    bool named_by_url = false;  ///< file_name is "val2017/a.jpg" of 'coco_url'; the folder of pictures may be val2017
  };
  struct Category {
    std::int64_t id = 0;
    std::string name;  ///< the id's digits if the file does not say; a number, true or false as written
    /// Another category has the name, and annotations or the larger id, and this one has none. Roboflow's exports have
    /// such a root; it is no class.
    bool unused_namesake = false;
  };
  std::vector<Image> images;
  std::vector<Category> categories;      ///< by ascending id
  std::vector<MetricTruth> annotations;  ///< every one, also of unlisted images and categories
  std::vector<DataProblem> problems;     ///< errors too: the reader of an annotation file decides what it needs
};

/// Reads the file as a stream (segmentations are passed over, memory is that of the records). `iscrowd` missing
/// means 0, `area` missing means w·h, null means missing. Faults of records are gathered as problems:
/// errors: a field that is missing or of the wrong type, a number out of range, one image or category id for two
/// different ones, a missing list; warnings: an id listed twice alike, an annotation id used twice (both count), an
/// annotation of an unlisted image or category (left out).
/// @throws DataError  if it is no JSON: file, line and byte; IoError
CocoAnnotations read_coco_annotations(const std::filesystem::path& file);
/// @param name  what messages call the text
CocoAnnotations parse_coco_annotations(std::string_view text, const std::string& name);

/// Takes what the metric needs out of `file`: annotations are moved, ids copied.
MetricInput take_metric_input(CocoAnnotations& file);

}  // namespace rtdetr
