#include "data/dataset/suspicions.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "core/base/text.h"
#include "data/dataset/box_convention.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/id_index.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// Crowds are not trained on, and a metric over nothing else is undefined.
void find_only_crowds(const Dataset& dataset, ProblemCollector& problems) {
  const auto& truths = dataset.truth.truths;
  if (truths.empty() || !std::ranges::all_of(truths, &MetricTruth::crowd)) return;
  problems.error(
      "only_crowds",
      "every annotation is a crowd (iscrowd 1), which means many objects in one box; tools write it for masks "
      "too: set it to 0 where an annotation is one object",
      [&] { return counted(std::ssize(truths), "annotation"); });
}

void find_unlike_boxes(const Dataset& dataset, ProblemCollector& problems) {
  std::vector<std::int64_t> ids;
  for (const auto& picture : dataset.pictures) ids.push_back(picture.id);
  const IdIndex index(ids);
  BoxConvention convention;
  for (const MetricTruth& truth : dataset.truth.truths) {
    const auto at = index.find(truth.image_id);
    if (at == IdIndex::kNone) continue;
    const auto& picture = dataset.pictures[at];
    convention.add(truth.box_xywh, picture.width, picture.height);
  }
  const auto first = [&] { return "the first is " + box_text(dataset.truth.truths.front().box_xywh); };
  if (convention.are_fractions()) {
    problems.error("box_fractions", "every box lies within the first pixel, so they are fractions; pixels are wanted",
                   first);
  }
  if (convention.are_corners()) {
    problems.warn("box_corners", "boxes look like [x0, y0, x1, y1], and are taken as [x, y, width, height]", first);
  }
}

/// Two pictures that differ in their suffix alone.
void find_shared_labels(const Dataset& dataset, ProblemCollector& problems) {
  std::map<fs::path, const fs::path*> labelled;
  for (const auto& picture : dataset.pictures) {
    if (picture.box_count == 0) continue;
    const auto found = labelled.emplace(fs::path(picture.file).replace_extension(), &picture.file);
    if (found.second) continue;
    problems.warn("shared_label", "pictures that differ in their suffix alone have one label file; both get its boxes",
                  [&] { return found.first->second->string() + ", " + picture.file.filename().string(); });
  }
}

}  // namespace

void find_suspicions(const Dataset& dataset, ProblemCollector& problems) {
  find_only_crowds(dataset, problems);
  if (dataset.sizes_are_annotated) {
    find_unlike_boxes(dataset, problems);
  } else {
    find_shared_labels(dataset, problems);
  }
}

}  // namespace rtdetr
