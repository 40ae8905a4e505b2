#include "data/dataset/subset.h"

#include <catch2/catch.hpp>

#include "data/evaluation/coco_metric.h"

using namespace rtdetr;

namespace {

/// `count` pictures with the ids 10, 20, …, each with one box of class 1.
Dataset with_pictures(std::int64_t count) {
  Dataset dataset;
  dataset.truth.category_ids = {1};
  for (std::int64_t id = 10; id <= 10 * count; id += 10) {
    dataset.pictures.push_back({.file = "p.jpg", .id = id});
    dataset.truth.image_ids.push_back(id);
    dataset.truth.truths.push_back(
        {.image_id = id, .category_id = 1, .annotation_id = id, .box_xywh = {0, 0, 10, 10}, .area = 100});
  }
  return dataset;
}

}  // namespace

TEST_CASE("a part of a data set is spread over all of it, and the metric sees no other picture") {
  const Dataset part = spread_subset(with_pictures(10), 4);
  std::vector<std::int64_t> ids;
  for (const auto& picture : part.pictures) ids.push_back(picture.id);
  CHECK(ids == std::vector<std::int64_t>{10, 30, 60, 80});
  CHECK(part.truth.image_ids == ids);
  std::vector<MetricDetection> found;
  for (const std::int64_t id : ids) found.push_back({id, 1, {0, 0, 10, 10}, 0.9});
  CHECK(evaluate_coco(part.truth, found).ap() == 1);
  CHECK(spread_subset(with_pictures(3), 5).pictures.size() == 3);
  CHECK(spread_subset(with_pictures(3), 0).pictures.empty());
  CHECK(spread_subset({}, 2).pictures.empty());
}
