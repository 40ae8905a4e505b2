#include <filesystem>

#include "core/io/file.h"
#include "data/dataset/dataset_build.h"
#include "data/formats/named_annotations.h"
#include "data/formats/voc_annotation.h"
#include "data/formats/voc_files.h"

namespace rtdetr {

void read_voc_dataset(const DatasetConfig::Split& split, const std::vector<std::string>& names,
                      const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems) {
  constexpr std::size_t kLargestFile = 4u << 20;
  NamedAnnotations annotations;
  for (const VocPicture& from : find_voc_pictures(split, problems)) {
    NamedPicture& picture = annotations.pictures.emplace_back();
    picture.file = from.picture;
    if (from.annotation.empty()) continue;
    picture.place = from.annotation.string();
    const auto text = read_label_file(from.annotation, kLargestFile, problems);
    if (!text) continue;
    const VocAnnotation read = parse_voc_annotation(*text, picture.place, problems);
    picture.width = read.width;
    picture.height = read.height;
    for (const VocObject& object : read.objects) {
      picture.boxes.push_back(
          {object.box_xywh, annotations.index_of(object.name), static_cast<std::uint32_t>(object.number), false});
    }
  }
  build_named_dataset(std::move(annotations), names, wanted, dataset, problems);
}

}  // namespace rtdetr
