#include "data/dataset/subset.h"

#include <catch2/catch.hpp>
#include <vector>

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

TEST_CASE("a data set with some classes alone has their boxes, in the pictures that they are in, and no others'") {
  Dataset all = with_pictures(3);
  all.classes = {{"cat", "dog", "cow"}, {1, 2, 7}};
  all.truth.category_ids = {1, 2, 7};
  all.truth.truths[1].category_id = 7;
  all.boxes = {{{0, 0, 1, 1}, 0}, {{0, 0, 2, 2}, 2}, {{0, 0, 3, 3}, 1}, {{0, 0, 4, 4}, 2}};
  all.pictures[0].box_count = 2;
  all.pictures[1].first_box = 2, all.pictures[1].box_count = 1;
  all.pictures[2].first_box = 3, all.pictures[2].box_count = 1;
  const Dataset part = with_classes(all, std::vector<std::int64_t>{2});
  std::vector<std::vector<float>> sides;
  for (const auto& picture : part.pictures) {
    sides.emplace_back();
    for (std::uint32_t i = 0; i < picture.box_count; ++i)
      sides.back().push_back(part.boxes[picture.first_box + i].xyxy[2]);
  }
  CHECK(sides == std::vector<std::vector<float>>{{2}, {}, {4}});
  CHECK(part.boxes.size() == 2);
  CHECK(part.truth.category_ids == std::vector<std::int64_t>{7});
  REQUIRE(part.truth.truths.size() == 1);
  CHECK(part.truth.truths[0].image_id == 20);
  CHECK(part.classes.names.size() == 3);
  CHECK(with_classes(all, {}).boxes.size() == 4);
}
