#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset/dataset.h"

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

struct ConvertOptions {
  AnnotationFormat to = AnnotationFormat::kYolo;  ///< of kWritableFormatWords
  bool copy_pictures = false;                     ///< otherwise they are linked to
};

/// Writes the data set in another form into the new folder `output`:
///
///   dataset.yaml   images/SPLIT/…   annotations/instances_SPLIT.json (COCO)   labels/SPLIT/….txt (YOLO)
///   annotations/SPLIT/….xml (VOC)   annotations/SPLIT/….json (labelme)
///   annotations/SPLIT.xml (CVAT)    annotations/SPLIT.json (Datumaro)
///
/// Pictures are symbolic links to the originals, or copies; see place_pictures. The originals' folder is only read. All
/// splits get the classes of the first: ids of a COCO source stay (a class that it lacks gets the smallest free one),
/// others are the indices from 0. COCO keeps ids, areas, crowds and boxes as written, and leaves out what is of an
/// unlisted picture or class or not finite. YOLO holds no crowds, and boxes are clipped to their picture; what has no
/// area there is left out. The others hold boxes as they are, and Datumaro's crowds. The folder appears whole or not at
/// all.
///
/// @throws ConfigError  if `output` is there and no empty folder that can be replaced; DataError  as load_dataset, or
/// if
///                      two classes have one name, one has a name that would not be read back, or two pictures would
///                      share a label file; IoError
Conversion convert_dataset(const DatasetConfig& config, const std::filesystem::path& output,
                           const ConvertOptions& options = {});

}  // namespace rtdetr
