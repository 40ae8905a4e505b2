#include "data/evaluation/error_split.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/plot/canvas.h"
#include "data/evaluation/metric_pictures.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_results.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;

namespace {

/// tidecv's names of the kinds.
constexpr std::array<const char*, ErrorSplit::kKinds> kTideNames{"Loc", "Cls", "Dupe", "Bkg", "Both", "Miss"};

nlohmann::json recorded() {
  std::ifstream file(test::kFixtures / "tide/expected.json");
  REQUIRE(file);
  return nlohmann::json::parse(file).at("splits");
}

ErrorSplit split_of(const std::string& folder) {
  const auto path = test::kFixtures / "coco_eval" / folder;
  CocoAnnotations file = read_coco_annotations(path / "gt.json");
  const std::vector<MetricDetection> detections = read_coco_results(path / "dt.json");
  return split_errors(take_metric_input(file), detections);
}

void check_points(double share, const nlohmann::json& points) {
  CHECK(100 * share == Approx(points.get<double>()).epsilon(0).margin(1e-9));
}

MetricDetection detected(std::int64_t image, std::int64_t category, double x, double score) {
  return {image, category, {x, 0, 10, 10}, score};
}

/// Two pictures: on the first a cat and a dog side by side, on the second a cat.
MetricInput pets() {
  MetricInput input;
  input.image_ids = {1, 2};
  input.category_ids = {5, 70};
  input.truths = {{1, 5, 1, {0, 0, 10, 10}, 100, false},
                  {1, 70, 2, {20, 0, 10, 10}, 100, false},
                  {2, 5, 3, {0, 0, 10, 10}, 100, false}};
  return input;
}

}  // namespace

TEST_CASE("the split of errors is tidecv's, on real and made detections") {
  const nlohmann::json splits = recorded();
  CHECK(splits.size() == 23);
  for (const auto& [folder, expected] : splits.items()) {
    INFO(folder);
    const ErrorSplit split = split_of(folder);
    if (expected.is_null()) {  // tidecv divides by the number of classes, none
      CHECK(split.ap50 == 0);
      continue;
    }
    check_points(split.ap50, expected.at("ap"));
    check_points(split.false_positives, expected.at("false_positives"));
    check_points(split.false_negatives, expected.at("false_negatives"));
    for (std::size_t kind = 0; kind < ErrorSplit::kKinds; ++kind) {
      INFO(kTideNames[kind]);
      check_points(split.cost[kind], expected.at("cost").at(kTideNames[kind]));
      CHECK(split.count[kind] == expected.at("count").at(kTideNames[kind]).get<std::int64_t>());
    }
  }
}

TEST_CASE("each kind of error is counted once") {
  const std::vector<MetricDetection> detections{
      detected(1, 5, 0, 0.9),    // hits the cat
      detected(1, 5, 1, 0.8),    // again
      detected(1, 5, 20, 0.7),   // the dog, called a cat
      detected(1, 70, 26, 0.6),  // the dog, badly placed
      detected(1, 5, 26, 0.5),   // the dog, called a cat and badly placed
      detected(1, 5, 100, 0.4),  // nothing
  };
  const ErrorSplit split = split_errors(pets(), detections);
  CHECK(split.count[ErrorSplit::kDuplicate] == 1);
  CHECK(split.count[ErrorSplit::kClass] == 1);
  CHECK(split.count[ErrorSplit::kLocation] == 1);
  CHECK(split.count[ErrorSplit::kBoth] == 1);
  CHECK(split.count[ErrorSplit::kBackground] == 1);
  CHECK(split.count[ErrorSplit::kMissed] == 1);  // the cat of the second picture
}

TEST_CASE("a perfect detector has nothing to mend, none at all misses everything") {
  const std::vector<MetricDetection> perfect{detected(1, 5, 0, 0.9), detected(1, 70, 20, 0.8), detected(2, 5, 0, 0.7)};
  const ErrorSplit best = split_errors(pets(), perfect);
  CHECK(best.ap50 == 1);
  for (std::size_t kind = 0; kind < ErrorSplit::kKinds; ++kind) {
    CHECK(best.cost[kind] == 0);
    CHECK(best.count[kind] == 0);
  }
  const ErrorSplit none = split_errors(pets(), {});
  CHECK(none.ap50 == 0);
  CHECK(none.count[ErrorSplit::kMissed] == 3);
  CHECK(split_errors({}, {}).ap50 == 0);
}

TEST_CASE("the picture of the split has a bar for each kind") {
  const std::vector<MetricDetection> detections{detected(1, 5, 0, 0.9), detected(1, 5, 20, 0.95)};
  const Picture picture = error_split_picture(split_errors(pets(), detections));
  CHECK(picture.width >= 400);
  CHECK(picture.height >= 150);
  CHECK(error_split_picture(ErrorSplit{}).width == picture.width);
}
