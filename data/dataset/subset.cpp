#include "data/dataset/subset.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace rtdetr {

Dataset spread_subset(Dataset dataset, std::size_t count) {
  const std::size_t all = dataset.pictures.size();
  if (count >= all) return dataset;
  std::vector<Dataset::PictureEntry> kept;
  dataset.truth.image_ids.clear();  // the metric leaves out the truths of other pictures
  for (std::size_t i = 0; i < count; ++i) {
    kept.push_back(std::move(dataset.pictures[i * all / count]));
    dataset.truth.image_ids.push_back(kept.back().id);
  }
  dataset.pictures = std::move(kept);
  return dataset;
}

Dataset with_classes(Dataset dataset, std::span<const std::int64_t> labels) {
  if (labels.empty()) return dataset;
  const auto is_in = [](const auto& list, std::int64_t one) {
    return std::find(list.begin(), list.end(), one) != list.end();
  };
  MetricInput& truth = dataset.truth;
  truth.category_ids.clear();
  for (const std::int64_t label : labels)
    truth.category_ids.push_back(dataset.classes.category_ids.at(static_cast<std::size_t>(label)));
  std::erase_if(truth.truths, [&](const MetricTruth& box) { return !is_in(truth.category_ids, box.category_id); });
  std::vector<Dataset::BoxEntry> kept;
  for (Dataset::PictureEntry& picture : dataset.pictures) {
    const std::span<const Dataset::BoxEntry> all =
        std::span(dataset.boxes).subspan(picture.first_box, picture.box_count);
    picture.first_box = static_cast<std::uint32_t>(kept.size());
    std::copy_if(all.begin(), all.end(), std::back_inserter(kept),
                 [&](const Dataset::BoxEntry& box) { return is_in(labels, box.label); });
    picture.box_count = static_cast<std::uint32_t>(kept.size()) - picture.first_box;
  }
  dataset.boxes = std::move(kept);
  return dataset;
}

}  // namespace rtdetr
