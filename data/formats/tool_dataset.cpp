#include <filesystem>
#include <utility>

#include "core/base/error.h"
#include "data/dataset/dataset_build.h"
#include "data/formats/named_annotations.h"
#include "data/formats/tool_readers.h"

namespace rtdetr {
namespace {

NamedAnnotations read_tool(const DatasetConfig::Split& split, ProblemCollector& problems) {
  switch (split.format) {
    case AnnotationFormat::kLabelme:
      return read_labelme(split, problems);
    case AnnotationFormat::kCvat:
      return read_cvat(split, problems);
    case AnnotationFormat::kLabelStudio:
      return read_label_studio(split, problems);
    case AnnotationFormat::kVia:
      return read_via(split, problems);
    case AnnotationFormat::kDatumaro:
      return read_datumaro(split, problems);
    case AnnotationFormat::kKitti:
      return read_kitti(split, problems);
    case AnnotationFormat::kCsv:
      return read_csv_boxes(split, problems);
    case AnnotationFormat::kOpenImages:
      return read_open_images(split, problems);
    default:
      throw InternalError("a format that has a reader of its own");
  }
}

}  // namespace

void read_tool_dataset(const DatasetConfig::Split& split, const std::vector<std::string>& names,
                       const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems) {
  NamedAnnotations annotations = read_tool(split, problems);
  for (const NamedPicture& picture : annotations.pictures) {
    if (is_file(picture.file)) continue;
    problems.error("missing_picture", "pictures are not in " + split.images.string(), [&] {
      return (picture.place.empty() ? "" : picture.place + ": ") + picture.file.filename().string();
    });
  }
  build_named_dataset(std::move(annotations), names, wanted, dataset, problems);
}

}  // namespace rtdetr
