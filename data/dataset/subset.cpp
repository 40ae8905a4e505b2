#include "data/dataset/subset.h"

#include <utility>

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

}  // namespace rtdetr
