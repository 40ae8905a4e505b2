#include "data/evaluation/coco_metric.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "data/evaluation/coco_class_metric.h"
#include "data/tools/coco_eval.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;
using namespace rtdetr::metric;
namespace fs = std::filesystem;

namespace {

const fs::path kCocoEval = test::kFixtures / "coco_eval";
constexpr double kTolerance = 1e-12;

bool same(double a, double b) { return std::abs(a - b) <= kTolerance; }

nlohmann::json read_json(const fs::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

/// Every number of expected.json: the 12 stats, the classes' four, the curves' means and the recalls.
void check_against_pycocotools(const fs::path& folder, int threads = 1) {
  INFO(folder);
  const nlohmann::json expected = read_json(folder / "expected.json");
  const MetricResult result = evaluate_coco_files(folder / "gt.json", folder / "dt.json", threads).result;

  for (std::size_t i = 0; i < 12; ++i) {
    INFO("stats[" << i << "] = " << result.stats[i] << ", expected " << expected["stats"][i]);
    CHECK(same(result.stats[i], expected["stats"][i]));
  }
  const std::size_t classes = expected["cat_ids"].size();
  REQUIRE(result.classes.size() == classes);
  std::size_t wrong = 0, compared = 0;
  const auto compare = [&](double have, double want) {
    ++compared;
    wrong += !same(have, want);
  };
  for (std::size_t k = 0; k < classes; ++k) {
    const MetricResult::Class& one = result.classes[k];
    REQUIRE(one.category_id == expected["cat_ids"][k].get<std::int64_t>());
    const nlohmann::json& want = expected["classes"][std::to_string(one.category_id)];
    compare(one.ap, want["AP"]);
    compare(one.ap50, want["AP50"]);
    compare(one.ap75, want["AP75"]);
    compare(one.ar100, want["AR100"]);
    for (std::size_t t = 0; t < kThresholds; ++t) {
      for (std::size_t a = 0; a < kAreas; ++a) {
        double sum = 0;
        for (std::size_t r = 0; r < kRecalls; ++r) {
          sum += result.precision[(((t * kRecalls + r) * classes + k) * kAreas + a) * kLimits + 2];
        }
        compare(sum / kRecalls, expected["precision_mean"][t][k][a]);
        for (std::size_t m = 0; m < kLimits; ++m) {
          compare(result.recall[((t * classes + k) * kAreas + a) * kLimits + m], expected["recall"][t][k][a][m]);
        }
      }
    }
  }
  CHECK(compared == classes * (4 + kThresholds * kAreas * (1 + kLimits)));
  CHECK(wrong == 0);
}

/// One image with one ground truth and detections of it.
MetricInput one_truth() {
  MetricInput input;
  input.image_ids = {1};
  input.category_ids = {1};
  input.truths = {{1, 1, 7, {10, 10, 50, 50}, 2500, false}};
  return input;
}

MetricDetection found(double score = 0.9) { return {1, 1, {10, 10, 50, 50}, score}; }

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("the metric equals pycocotools on every made case") {
  const auto name =
      GENERATE(as<std::string>{}, "01-perfect", "02-absent", "03-no-detections", "04-score-ties", "05-iou-ties",
               "06-crowd", "07-only-crowd", "08-area-edges", "09-maxdets", "10-ids", "11-iou-at-threshold",
               "11b-iou-threshold-8", "12-annotation-id-0", "13-degenerate", "14-ignore-key", "15-empty-images",
               "16-double-scores", "17-double-boxes", "18-recall-points", "19-area-ignore", "20-crowd-second");
  check_against_pycocotools(kCocoEval / "cases" / name);
}

TEST_CASE("the metric equals pycocotools on 100 pictures of COCO and on crowded synthetic ones") {
  check_against_pycocotools(kCocoEval / "val2014_fake100");
  check_against_pycocotools(kCocoEval / "synthetic60");
}

TEST_CASE("the best point of the mean curve is where its F1 is best, and classes without boxes do not count") {
  MetricResult result;
  result.classes.resize(3);
  result.precision.assign(static_cast<std::size_t>(kThresholds * kRecalls * 3 * kAreas * kLimits), -1);
  for (std::size_t r = 0; r < kRecalls; ++r) {
    result.precision[result.place_of(r, 0, 0, kLimits - 1)] = r <= 60 ? 1.0 : 0.0;
    result.precision[result.place_of(r, 2, 0, kLimits - 1)] = r <= 60 ? 0.8 : 0.0;
  }
  CHECK(result.precision_at(kIou50, 60, 2) == 0.8);
  CHECK(result.precision_at(kIou50, 60, 1) == -1);
  const CurvePoint point = best_f1_on_curve(result);
  CHECK(point.recall == Approx(0.6));
  CHECK(point.precision == Approx(0.9));
  std::fill(result.precision.begin(), result.precision.end(), 0.0);  // nothing was found: the first of equal points
  CHECK(best_f1_on_curve(result).recall == 0);
}

TEST_CASE("the metric is the same to the bit for any number of threads") {
  const fs::path folder = kCocoEval / "synthetic60";
  const MetricResult one = evaluate_coco_files(folder / "gt.json", folder / "dt.json", 1).result;
  for (const int threads : {2, 5}) {
    const MetricResult many = evaluate_coco_files(folder / "gt.json", folder / "dt.json", threads).result;
    CHECK(many.stats == one.stats);
    CHECK(many.precision == one.precision);
    CHECK(many.recall == one.recall);
  }
}

TEST_CASE("thresholds and recall points are numpy's, to the bit") {
  CHECK(iou_thresholds()[8] == 0x1.cccccccccccccp-1);
  CHECK(iou_thresholds()[9] == 0.95);
  CHECK(recall_points()[35] == 35 * 0.01);
  CHECK(recall_points()[35] != 35 / 100.0);
  CHECK(recall_points()[100] == 1.0);
}

TEST_CASE("the order of images, ids and classes in the input does not matter") {
  MetricInput input = one_truth();
  input.image_ids = {3'000'000'000'000, -5, 1, 1};
  input.category_ids = {9, 1, 1, -2};
  input.truths.push_back({3'000'000'000'000, 9, 8, {0, 0, 20, 20}, 400, false});
  input.truths.push_back({-5, -2, 9, {0, 0, 20, 20}, 400, false});
  const std::vector<MetricDetection> detections{
      {3'000'000'000'000, 9, {0, 0, 20, 20}, 0.5}, found(), {-5, -2, {0, 0, 20, 20}, 0.5}};
  const MetricResult result = evaluate_coco(input, detections);
  CHECK(result.stats[0] == Approx(1));
  REQUIRE(result.classes.size() == 3);
  CHECK(result.classes[0].category_id == -2);
  CHECK(result.classes[2].category_id == 9);
  CHECK(result.classes[2].truths == 1);
}

TEST_CASE("a match to the annotation id 0 counts as false, as in pycocotools; ids below 0 count") {
  MetricInput input = one_truth();
  input.truths[0].annotation_id = 0;
  CHECK(evaluate_coco(input, std::vector{found()}).stats[0] == 0);
  input.truths[0].annotation_id = -3;
  CHECK(evaluate_coco(input, std::vector{found()}).stats[0] == Approx(1));
}

TEST_CASE("a match to the annotation id 0 whose box is outside the area range is ignored there") {
  MetricInput input;
  input.image_ids = {1};
  input.category_ids = {1};
  input.truths = {{1, 1, 0, {0, 0, 90, 90}, 8100, false}, {1, 1, 5, {300, 300, 50, 50}, 2500, false}};
  const std::vector<MetricDetection> detections{{1, 1, {0, 0, 100, 100}, 0.9}, {1, 1, {300, 300, 50, 50}, 0.8}};
  const MetricResult result = evaluate_coco(input, detections);
  CHECK(result.stats[0] == Approx(51 * 0.5 / 101));  // half of the truths, after one false positive
  CHECK(result.stats[4] == Approx(51 * 1.0 / 101));  // the large detection does not count among the medium ones
}

TEST_CASE("an empty list of detections is AP 0, an empty list of truths is undefined") {
  const MetricResult none_found = evaluate_coco(one_truth(), {});
  CHECK(none_found.stats[0] == 0);
  CHECK(none_found.stats[8] == 0);
  CHECK(none_found.stats[3] == -1);

  MetricInput nothing_there = one_truth();
  nothing_there.truths.clear();
  CHECK(evaluate_coco(nothing_there, std::vector{found()}).stats[0] == -1);
  CHECK(evaluate_coco({}, {}).stats[0] == -1);
}

TEST_CASE("what belongs to no listed category or image is left out and counted") {
  MetricInput input = one_truth();
  input.truths.push_back({1, 77, 8, {0, 0, 5, 5}, 25, false});
  input.truths.push_back({55, 1, 9, {0, 0, 5, 5}, 25, false});
  const std::vector<MetricDetection> detections{found(), {1, 77, {0, 0, 5, 5}, 0.99}};
  const MetricResult result = evaluate_coco(input, detections);
  CHECK(result.stats[0] == Approx(1));
  CHECK(result.truths_left_out == 2);
  CHECK(result.detections_left_out == 1);
}

TEST_CASE("boxes with sides that are negative or no number match nothing and are counted") {
  const std::vector<MetricDetection> detections{
      {1, 1, {kNan, 10, 50, 50}, 0.9}, {1, 1, {10, 10, kNan, 50}, 0.8}, {1, 1, {60, 60, -50, -50}, 0.7}, found(0.1)};
  const MetricResult result = evaluate_coco(one_truth(), detections);
  CHECK(result.stats[0] == Approx(0.25));
  CHECK(result.unusable_boxes == 3);

  MetricInput broken_truth = one_truth();
  broken_truth.truths[0].box_xywh[0] = kNan;
  CHECK(evaluate_coco(broken_truth, std::vector{found()}).stats[0] == 0);
}

TEST_CASE("a detection on an unlisted image, or with a score that is no number, is refused by its number") {
  std::vector<MetricDetection> detections{found(), found()};
  detections[1].image_id = 42;
  CHECK_THROWS_WITH(evaluate_coco(one_truth(), detections), Catch::Contains("detection 1 is on image 42"));
  detections[1] = found(kNan);
  CHECK_THROWS_AS(evaluate_coco(one_truth(), detections), DataError);
  detections[1] = found(1.5);
  CHECK(evaluate_coco(one_truth(), detections).stats[0] == Approx(1));
}

TEST_CASE("the summary has pycocotools' twelve lines") {
  const std::string text = format_summary(evaluate_coco(one_truth(), std::vector{found()}));
  CHECK(std::count(text.begin(), text.end(), '\n') == 12);
  CHECK_THAT(text,
             Catch::StartsWith(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000\n"));
  CHECK_THAT(text,
             Catch::EndsWith(" Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000\n"));
}
