#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/base/error.h"
#include "core/base/written_path.h"
#include "core/image/picture.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/id_index.h"
#include "data/formats/coco_annotations.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

std::string place_of(const CocoAnnotations::Image& image) {
  return "image id " + std::to_string(image.id) + " ('" + excerpt(image.file_name, 200) + "')";
}

/// The name of a file of the folder. Windows' backslashes are read as slashes where only that names one. A name of
/// 'coco_url' begins with a folder, "val2017", which may be `folder` itself.
fs::path picture_file(const CocoAnnotations::Image& image, const fs::path& folder) {
  const fs::path file = folder / image.file_name;
  if (is_file(file)) return file;
  if (image.named_by_url) {
    const fs::path without_folder = folder / file.filename();
    return is_file(without_folder) ? without_folder : file;
  }
  if (image.file_name.find('\\') == std::string::npos) return file;
  const std::string slashed = with_slashes(image.file_name);
  return stays_inside(slashed) && is_file(folder / slashed) ? folder / slashed : file;
}

/// Where the picture is and how large; nothing of it is read if the file says both. False if it may not be looked for.
bool make_picture(const CocoAnnotations::Image& image, const fs::path& folder, const Dataset& dataset,
                  Dataset::PictureEntry& picture, ProblemCollector& problems) {
  const auto place = [&] { return place_of(image); };
  if (!stays_inside(image.file_name)) {
    problems.error(image.file_name.empty() ? "missing_file_name" : "path_escape",
                   image.file_name.empty() ? "images have neither 'file_name' nor 'coco_url'"
                                           : "file names leave the folder of pictures; they are not read",
                   place);
    return false;
  }
  picture.file = picture_file(image, folder);
  picture.id = image.id;
  picture.readable = is_file(picture.file);
  if (!picture.readable) {
    problems.error(
        "missing_picture",
        "pictures are not in " + folder.string() +
            (image.named_by_url ? ", the folder of folders that 'coco_url' names, as there is no 'file_name'" : ""),
        place);
  }
  if (image.width > 0 && image.height > 0) {
    picture.width = image.width;
    picture.height = image.height;
  } else if (picture.readable) {
    problems.warn("missing_size", "images have no 'width' or 'height'; read from the picture", place);
    read_size(dataset, picture, problems);
  }
  return true;
}

/// Indices of the annotations of each image, in file order: of image rank i they are at [begin[i], begin[i + 1]).
struct ByImage {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> begin;
};

ByImage group_by_image(const std::vector<MetricTruth>& annotations, const IdIndex& images) {
  ByImage grouped;
  grouped.begin.assign(images.size() + 1, 0);
  for (const MetricTruth& truth : annotations) {
    if (const auto rank = images.find(truth.image_id); rank != IdIndex::kNone) ++grouped.begin[rank + 1];
  }
  std::partial_sum(grouped.begin.begin(), grouped.begin.end(), grouped.begin.begin());
  std::vector<std::uint32_t> at(grouped.begin.begin(), grouped.begin.end() - 1);
  grouped.order.resize(grouped.begin.back());
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    if (const auto rank = images.find(annotations[i].image_id); rank != IdIndex::kNone) {
      grouped.order[at[rank]++] = static_cast<std::uint32_t>(i);
    }
  }
  return grouped;
}

/// The categories without unused namesakes; with them, if just that is wanted: by a model of an earlier version.
ClassList classes_of(const CocoAnnotations& file, const std::vector<std::string>* wanted) {
  const bool all = wanted && std::ranges::equal(file.categories, *wanted, {}, &CocoAnnotations::Category::name);
  ClassList classes;
  for (const auto& category : file.categories) {
    if (category.unused_namesake && !all) continue;
    classes.names.push_back(category.name);
    classes.category_ids.push_back(category.id);
  }
  return classes;
}

}  // namespace

void read_coco_dataset(const fs::path& annotations, const fs::path& images, const std::vector<std::string>* wanted,
                       Dataset& dataset, ProblemCollector& problems) {
  CocoAnnotations file = read_coco_annotations(annotations);
  const ClassList classes = classes_of(file, wanted);
  const bool listed = !has_errors(file.problems);  // a missing list is told already
  if (classes.names.empty() && listed) {
    problems.error("no_categories", "the list of categories is empty, so that no annotation has a class",
                   [&] { return annotations.string(); });
  }
  const std::vector<std::int32_t> label_of = set_classes(dataset, classes, wanted, problems);
  dataset.truth = take_metric_input(file);
  dataset.truth.category_ids = classes.category_ids;
  dataset.problems = std::move(file.problems);

  std::sort(file.images.begin(), file.images.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const IdIndex image_index(dataset.truth.image_ids), class_index(classes.category_ids);
  const ByImage grouped = group_by_image(dataset.truth.truths, image_index);
  for (std::size_t i = 0; i < file.images.size(); ++i) {
    Dataset::PictureEntry picture;
    if (!make_picture(file.images[i], images, dataset, picture, problems)) continue;
    picture.first_box = static_cast<std::uint32_t>(dataset.boxes.size());
    dataset.pictures.push_back(std::move(picture));
    if (dataset.pictures.back().width == 0) continue;
    for (std::uint32_t at = grouped.begin[i]; at < grouped.begin[i + 1]; ++at) {
      const MetricTruth& truth = dataset.truth.truths[grouped.order[at]];
      const std::uint32_t category = class_index.find(truth.category_id);
      if (truth.crowd || category == IdIndex::kNone) continue;
      add_box(dataset, truth.box_xywh, label_of[category], problems, [&] {
        return "annotation id " + std::to_string(truth.annotation_id) + ": " + box_text(truth.box_xywh) + " on " +
               place_of(file.images[i]);
      });
    }
  }
  report_unwanted_classes(dataset, classes, label_of, problems);
}

}  // namespace rtdetr
