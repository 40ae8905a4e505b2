#include "train/report/doubt_report.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;

namespace {

/// Eight pictures of blood cells.
Dataset cells() {
  return load_dataset(
      load_dataset_config(test::kFixtures.parent_path().parent_path() / "configs/datasets/bccd_overfit8.yaml"),
      "train");
}

/// A model that sees every box as it is, with 0.9.
Evaluation seen_right(const Dataset& dataset) {
  Evaluation evaluation;
  for (const MetricTruth& truth : dataset.truth.truths)
    evaluation.detections.push_back({truth.image_id, truth.category_id, truth.box_xywh, 0.9});
  return evaluation;
}

}  // namespace

TEST_CASE("labels that were swapped, moved and removed are listed, drawn and told with their pictures") {
  Dataset dataset = cells();
  const Evaluation evaluation = seen_right(dataset);
  std::vector<MetricTruth>& truths = dataset.truth.truths;
  const std::vector<MetricTruth> right = truths;
  MetricTruth& swapped = truths[2];
  swapped.category_id = dataset.truth.category_ids[swapped.category_id == dataset.truth.category_ids[0] ? 1 : 0];
  truths[40].box_xywh[0] += truths[40].box_xywh[2] * 0.6;
  truths.pop_back();

  DoubtReport report(0.5);
  report.add("train", dataset, evaluation);
  const nlohmann::ordered_json told = report.json();
  REQUIRE(told["doubts"].size() == 3);
  std::map<std::string, nlohmann::ordered_json> by_kind;
  for (const auto& doubt : told["doubts"]) by_kind[doubt["kind"]] = doubt;
  CHECK(by_kind["class"]["label"]["annotation_id"] == right[2].annotation_id);
  CHECK(by_kind["class"]["label"]["name"] != by_kind["class"]["detected"]["name"]);
  CHECK(by_kind["place"]["label"]["annotation_id"] == right[40].annotation_id);
  CHECK(by_kind["place"]["iou"].get<double>() == Approx(0.25));
  CHECK(by_kind["unlabelled"]["label"].is_null());
  CHECK(by_kind["unlabelled"]["detected"]["box_xywh"][0] == right.back().box_xywh[0]);
  CHECK(by_kind["unlabelled"]["picture"].get<std::string>() == dataset.pictures.back().file.string());
  CHECK_THAT(report.text(), Catch::Contains("3 annotations doubted") && Catch::Contains("unlabelled") &&
                                Catch::Contains(dataset.pictures.back().file.filename().string()));
  const Picture sheet = report.sheet();
  CHECK(sheet.width > 600);
  CHECK(sheet.height > 600);
}

TEST_CASE("labels that a model agrees with are no report, and a picture that is gone is passed over") {
  Dataset dataset = cells();
  Evaluation evaluation = seen_right(dataset);
  DoubtReport agreed(0.5);
  agreed.add("train", dataset, evaluation);
  CHECK(agreed.json()["doubts"].empty());
  CHECK(agreed.sheet().width == 0);
  CHECK_THAT(agreed.text(), Catch::Contains("0 annotations doubted"));
  dataset.pictures[0].file = "gone.jpg";
  evaluation.detections.push_back({dataset.pictures[0].id, dataset.classes.category_ids[0], {600, 440, 20, 20}, 0.8});
  DoubtReport gone(0.5);
  gone.add("", dataset, evaluation);
  CHECK(gone.json()["doubts"].size() == 1);
  CHECK(gone.sheet().width == 0);
}
