#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace rtdetr {

struct Conversion {
  std::filesystem::path config;  ///< the new data set's YAML
  struct Split {
    std::string key;
    std::int64_t pictures = 0;
    std::int64_t boxes = 0;     ///< written, crowds included
    std::int64_t left_out = 0;  ///< what the format cannot say: see convert_dataset
  };
  std::vector<Split> splits;
};

/// Writes the data set in another form into the new folder `output`:
///
///   dataset.yaml   images/SPLIT/…   annotations/instances_SPLIT.json (COCO)   labels/SPLIT/….txt (YOLO)
///
/// Pictures are symbolic links to the originals, whose folder is only read; names keep the folders below the split's
/// common one. All splits get the classes of the first: ids of a COCO source stay (a class that it lacks gets the
/// smallest free one), others are the indices from 0. COCO keeps ids, areas, crowds and boxes as written, and leaves
/// out what is of an unlisted picture or class or not finite. YOLO holds no crowds, and boxes are clipped to their
/// picture; what has no area there is left out.
/// The folder appears whole or not at all.
///
/// @param to  kCoco or kYolo
/// @throws ConfigError  if `output` is a folder that is not empty; DataError  as load_dataset, or if two pictures would
///                      share a label file; IoError
Conversion convert_dataset(const DatasetConfig& config, AnnotationFormat to, const std::filesystem::path& output);

}  // namespace rtdetr
