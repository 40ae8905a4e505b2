#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset/dataset.h"

namespace rtdetr {

/// What annotations are, judged by their content.
struct RecognisedFormat {
  AnnotationFormat format = AnnotationFormat::kCoco;
  std::string fault;  ///< not empty: it is of no format that is read; what it is and what can be done
};

/// Looks at a file's first keys, elements or columns, or at one file of a folder. What is not there, cannot be read or
/// is broken is COCO's, or of a folder VOC's: its reader says what is wrong with it.
RecognisedFormat recognise_annotations(const std::filesystem::path& annotations);

/// What is in a folder of pictures that is written as a path alone, beside or instead of YOLO's labels.
struct AnnotatedFolder {
  AnnotationFormat format = AnnotationFormat::kYolo;
  std::filesystem::path annotations;
};
/// Finds Roboflow's `_annotations.coco.json` or `_annotations.csv` in a folder of pictures, or labelme's or VOC's files
/// beside them; nullopt if there are YOLO's labels, or none of these.
std::optional<AnnotatedFolder> find_annotations_in(const std::filesystem::path& folder);

/// "labelme", "COCO", …: for messages.
std::string format_title(AnnotationFormat format);

}  // namespace rtdetr
