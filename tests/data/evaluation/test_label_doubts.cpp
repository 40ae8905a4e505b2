#include "data/evaluation/label_doubts.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>

using namespace rtdetr;

namespace {

constexpr std::int64_t kSheep = 3, kGoat = 8;
constexpr double kSpeaks = 0.5;

MetricTruth labelled(std::int64_t image, std::int64_t category, double x, std::int64_t id) {
  return {image, category, id, {x, 0, 10, 10}, 100, false};
}

MetricDetection seen(std::int64_t image, std::int64_t category, double x, double score) {
  return {image, category, {x, 0, 10, 10}, score};
}

/// Twenty pictures of five animals each, forty pixels apart, alternately a sheep and a goat.
MetricInput herd() {
  MetricInput input{.image_ids = {}, .category_ids = {kSheep, kGoat}, .truths = {}};
  for (std::int64_t image = 1; image <= 20; ++image) {
    input.image_ids.push_back(image);
    for (std::int64_t i = 0; i < 5; ++i)
      input.truths.push_back(
          labelled(image, i % 2 == 0 ? kSheep : kGoat, 40.0 * static_cast<double>(i), 10 * image + i));
  }
  return input;
}

/// A usual model on it: a hit of 0.6 to 0.95 on each, a pixel aside; faint ones of the other class on the same place
/// and on empty ground; every tenth animal not found, a false alarm of 0.55 in every fourth picture.
std::vector<MetricDetection> usual_model(const MetricInput& input) {
  std::vector<MetricDetection> detections;
  int number = 0;
  for (const MetricTruth& truth : input.truths) {
    const double x = truth.box_xywh[0];
    const std::int64_t other = truth.category_id == kSheep ? kGoat : kSheep;
    if (number % 10 != 9)
      detections.push_back(seen(truth.image_id, truth.category_id, x + 1, 0.6 + 0.05 * (number % 8)));
    detections.push_back(seen(truth.image_id, other, x + 1, 0.08));
    detections.push_back(seen(truth.image_id, other, x + 20, 0.05));
    ++number;
  }
  for (std::int64_t image = 4; image <= 20; image += 4) detections.push_back(seen(image, kGoat, 300, 0.55));
  return detections;
}

MetricTruth& with_id(MetricInput& input, std::int64_t id) {
  return *std::ranges::find(input.truths, id, &MetricTruth::annotation_id);
}

std::vector<LabelDoubt> doubts_of(const MetricInput& input, const std::vector<MetricDetection>& detections) {
  return doubt_labels(input, detections, kSpeaks).doubts;
}

}  // namespace

TEST_CASE("a box that was moved, one removed and one of a swapped class come before all else a model objects to") {
  const MetricInput right = herd();
  const std::vector<MetricDetection> detections = usual_model(right);
  REQUIRE(doubts_of(right, detections).size() == 5);  // its false alarms
  MetricInput wrong = right;
  with_id(wrong, 53).box_xywh[0] += 7;      // a goat of the fifth picture: IoU 4/16 with its detection
  with_id(wrong, 120).category_id = kGoat;  // was a sheep
  const MetricTruth removed = with_id(wrong, 172);
  std::erase_if(wrong.truths, [](const MetricTruth& truth) { return truth.annotation_id == 172; });

  const LabelDoubts found = doubt_labels(wrong, detections, kSpeaks);
  REQUIRE(found.doubts.size() == 8);
  CHECK(found.unseen == 10);
  std::array<std::int64_t, LabelDoubt::kKinds> of_kind{};
  for (std::size_t i = 0; i < 3; ++i) {
    const LabelDoubt& doubt = found.doubts[i];
    of_kind[doubt.kind] = doubt.label ? doubt.label->annotation_id : doubt.detection.image_id;
    if (!doubt.label) CHECK(doubt.detection.box_xywh[0] == removed.box_xywh[0] + 1);
  }
  CHECK(of_kind[LabelDoubt::kPlace] == 53);
  CHECK(of_kind[LabelDoubt::kClass] == 120);
  CHECK(of_kind[LabelDoubt::kUnlabelled] == removed.image_id);
  for (std::size_t i = 1; i < found.doubts.size(); ++i) CHECK(found.doubts[i - 1].loss >= found.doubts[i].loss);
  for (std::size_t i = 3; i < found.doubts.size(); ++i) CHECK(found.doubts[i].detection.score == 0.55);
}

TEST_CASE("the loss of a doubt is the cross-entropy of what the annotations say") {
  MetricInput input{.image_ids = {1}, .category_ids = {kSheep, kGoat}, .truths = {labelled(1, kSheep, 0, 1)}};
  const auto only = [&](const std::vector<MetricDetection>& detections) {
    const std::vector<LabelDoubt> doubts = doubts_of(input, detections);
    REQUIRE(doubts.size() == 1);
    return doubts.front();
  };
  const LabelDoubt swapped = only({seen(1, kGoat, 0, 0.9), seen(1, kSheep, 1, 0.2)});
  CHECK(swapped.kind == LabelDoubt::kClass);
  CHECK(swapped.iou == 1);
  CHECK(swapped.loss == Approx((-std::log(0.1) - std::log(0.2)) / 2));
  const LabelDoubt moved = only({seen(1, kSheep, 5, 0.8)});
  CHECK(moved.kind == LabelDoubt::kPlace);
  CHECK(moved.iou == Approx(5.0 / 15));
  CHECK(moved.loss == Approx((-std::log(0.2) - std::log(0.01)) / 2));  // nothing else on the box
  CHECK(only({seen(1, kSheep, 100, 1.0), seen(1, kSheep, 0, 0.7)}).loss == Approx(-std::log(0.01)));
}

TEST_CASE("what crowds, hits and detections of the same object explain is no doubt") {
  MetricInput input{.image_ids = {1, 2}, .category_ids = {kSheep, kGoat}, .truths = {labelled(1, kSheep, 0, 1)}};
  CHECK(doubts_of(input, {seen(1, kSheep, 0, 0.9), seen(1, kGoat, 1, 0.8), seen(1, kSheep, 2, 0.7)}).empty());
  CHECK(doubts_of(input, {seen(2, kSheep, 0, 0.9), seen(2, kGoat, 1, 0.8)}).size() == 1);  // one thing, of two classes
  CHECK(doubts_of(input, {seen(1, kGoat, 0, 0.49)}).empty());                              // too faint to speak
  CHECK(doubts_of(input, {seen(1, 77, 50, 0.9), seen(9, kSheep, 0, 0.9)}).empty());  // unlisted class, unlisted picture
  input.truths.push_back({2, kSheep, 2, {0, 0, 200, 50}, 10000, true});
  CHECK(doubts_of(input, {seen(2, kSheep, 60, 0.9)}).empty());
  CHECK(doubts_of(input, {seen(2, kGoat, 60, 0.9)}).size() == 1);  // a crowd of the other class
  CHECK(doubt_labels(input, {}, kSpeaks).unseen == 1);
  CHECK(doubt_labels({}, {}, kSpeaks).doubts.empty());
}

TEST_CASE("a neighbour that was hit does not make a missing label a moved one") {
  const MetricInput input{.image_ids = {1}, .category_ids = {kSheep}, .truths = {labelled(1, kSheep, 0, 1)}};
  const std::vector<LabelDoubt> doubts = doubts_of(input, {seen(1, kSheep, 0, 0.9), seen(1, kSheep, 6, 0.85)});
  REQUIRE(doubts.size() == 1);
  CHECK(doubts.front().kind == LabelDoubt::kUnlabelled);
  CHECK(doubts.front().loss == Approx(-std::log(0.15)));
}
