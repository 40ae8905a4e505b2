#include "data/evaluation/operating_points.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/image/picture.h"
#include "core/plot/canvas.h"
#include "data/evaluation/metric_pictures.h"
#include "data/evaluation/metric_ranges.h"
#include "data/formats/coco_annotations.h"
#include "data/formats/coco_results.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;

namespace {

const ClassList kClasses{{"cat", "dog"}, {5, 70}};

/// Two pictures: a cat and a dog, side by side, on the first; a crowd of dogs on the second.
MetricInput truth() {
  MetricInput input;
  input.image_ids = {1, 2};
  input.category_ids = {5, 70};
  input.truths = {{1, 5, 1, {0, 0, 10, 10}, 100, false},
                  {1, 70, 2, {20, 0, 10, 10}, 100, false},
                  {2, 70, 3, {0, 0, 50, 50}, 2500, true}};
  return input;
}

MetricDetection found(std::int64_t image, std::int64_t category, double x, double score) {
  return {image, category, {x, 0, 10, 10}, score};
}

/// How many pixels have exactly this colour.
int pixels_of(const Picture& picture, Color color) {
  int found = 0;
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3)
    found += picture.rgb[i] == color.red && picture.rgb[i + 1] == color.green && picture.rgb[i + 2] == color.blue;
  return found;
}

}  // namespace

TEST_CASE("counts follow the score: hits, wrong ones and missed ones") {
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 5, 1, 0.8), found(1, 70, 20, 0.3)};
  const OperatingCurves curves = DetectionMatcher(truth(), detections, kClasses).curves();
  const MatchCounts high = curves.classes[0].at(0.85), low = curves.classes[0].at(0.0);
  CHECK(high.hits == 1);
  CHECK(high.wrong == 0);
  CHECK(low.wrong == 1);  // the second box on one cat
  CHECK(low.precision() == 0.5);
  CHECK(low.recall() == 1);
  CHECK(low.f1() == Approx(2 / 3.0));
  CHECK(curves.classes[1].at(0.5).missed == 1);
  CHECK(std::isnan(curves.classes[1].at(0.5).precision()));
  CHECK(curves.classes[1].boxes == 1);  // crowds are not to be found
  CHECK(curves.best_confidence == Approx(0.0));
  CHECK(curves.f1[50] == Approx((2 / 3.0 + 0) / 2));
}

TEST_CASE("a class without detections has no precision and does not raise the mean") {
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 5, 100, 0.8), found(1, 70, 20, 0.3)};
  const OperatingCurves curves = DetectionMatcher(truth(), detections, kClasses).curves();
  CHECK(curves.precision[20] == Approx((0.5 + 1) / 2));
  CHECK(curves.precision[50] == Approx(0.5));  // of the cats alone
  CHECK(std::isnan(curves.precision[95]));
  CHECK(curves.recall[50] == Approx(0.5));
  CHECK(curves.recall[95] == 0);
}

TEST_CASE("what falls on a crowd counts neither way") {
  const std::vector<MetricDetection> detections{found(2, 70, 0, 0.9), found(2, 70, 30, 0.8), found(2, 5, 0, 0.7)};
  const DetectionMatcher matcher(truth(), detections, kClasses);
  CHECK(matcher.curves().classes[1].score.empty());
  CHECK(matcher.confusion(0.1).at(1, 2) == 0);
  CHECK(matcher.confusion(0.1).at(0, 2) == 1);  // a cat on a crowd of dogs
  const std::vector<MetricDetection> over{{2, 5, {0, 0, 50, 50}, 0.7}};
  CHECK(DetectionMatcher(truth(), over, kClasses).confusion(0.1).at(0, 2) == 1);  // and one that covers it
}

TEST_CASE("the counts of a picture are of all its classes, above the confidence, without crowds") {
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 5, 100, 0.8), found(1, 70, 20, 0.3),
                                                found(2, 70, 5, 0.9), found(2, 5, 5, 0.7)};
  const std::vector<PictureCounts> high = DetectionMatcher(truth(), detections, kClasses).by_picture(0.75);
  REQUIRE(high.size() == 2);
  CHECK(high[0].image_id == 1);
  CHECK(high[0].counts.hits == 1);
  CHECK(high[0].counts.wrong == 1);
  CHECK(high[0].counts.missed == 1);  // the dog is found below
  CHECK(high[1].image_id == 2);
  CHECK(high[1].counts.hits + high[1].counts.wrong + high[1].counts.missed == 0);
  const std::vector<PictureCounts> low = DetectionMatcher(truth(), detections, kClasses).by_picture(0.1);
  CHECK(low[0].counts.hits == 2);
  CHECK(low[0].counts.missed == 0);
  CHECK(low[1].counts.wrong == 1);  // a cat on the dogs
}

TEST_CASE("of each class a picture's best hundred detections count, as in the metric") {
  std::vector<MetricDetection> detections(150, found(1, 5, 100, 0.5));
  detections.push_back(found(1, 5, 0, 0.4));
  detections.push_back(found(1, 70, 20, 0.4));
  const DetectionMatcher matcher(truth(), detections, kClasses);
  CHECK(matcher.curves().classes[0].at(0).wrong == 100);
  CHECK(matcher.curves().classes[0].at(0).hits == 0);
  CHECK(matcher.curves().classes[1].at(0).hits == 1);
}

TEST_CASE("a class without boxes has no part in the means") {
  const ClassList three{{"cat", "dog", "bird"}, {5, 70, 71}};
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 70, 20, 0.9), found(1, 71, 40, 0.9)};
  const OperatingCurves curves = DetectionMatcher(truth(), detections, three).curves();
  CHECK(curves.classes[2].at(0.5).wrong == 1);
  CHECK(curves.precision[50] == 1);
  CHECK(curves.recall[50] == 1);
  CHECK(curves.f1[50] == 1);
}

TEST_CASE("what remains on both sides of the matrix is paired by the best overlap, not by the score") {
  const ClassList three{{"cat", "dog", "bird"}, {5, 70, 71}};
  const std::vector<MetricDetection> detections{found(1, 5, 23, 0.9), found(1, 71, 21, 0.5)};
  const ConfusionMatrix matrix = DetectionMatcher(truth(), detections, three).confusion(0.1);
  CHECK(matrix.at(2, 1) == 1);  // the dog was called a bird
  CHECK(matrix.at(0, 1) == 0);
  CHECK(matrix.at(0, 3) == 1);
}

TEST_CASE("the matrix has what was taken for what, the missed ones and the false alarms") {
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 5, 20, 0.8), found(1, 5, 100, 0.7),
                                                found(1, 70, 21, 0.2)};
  const DetectionMatcher matcher(truth(), detections, kClasses);
  const ConfusionMatrix half = matcher.confusion(0.5);
  CHECK(half.at(0, 0) == 1);
  CHECK(half.at(0, 1) == 1);  // the dog was called a cat
  CHECK(half.at(0, 2) == 1);  // nothing was called a cat
  CHECK(half.at(2, 1) == 0);
  const ConfusionMatrix all = matcher.confusion(0.0);
  CHECK(all.at(1, 1) == 1);  // its own class goes first
  CHECK(all.at(0, 2) == 2);
  const ConfusionMatrix none = matcher.confusion(0.95);
  CHECK(none.at(2, 0) == 1);
  CHECK(none.at(2, 1) == 1);
}

TEST_CASE("without boxes, detections or classes there is nothing to divide by") {
  const OperatingCurves curves = DetectionMatcher({}, {}, {}).curves();
  CHECK(curves.classes.empty());
  CHECK(curves.f1[0] == 0);
  CHECK(DetectionMatcher(truth(), {}, kClasses).curves().recall[0] == 0);
  CHECK(precision_recall_picture({}, {}).width > 0);
  for (const CurveMeasure measure : {CurveMeasure::kF1, CurveMeasure::kPrecision, CurveMeasure::kRecall})
    CHECK(confidence_picture(curves, {}, measure).width > 0);
  CHECK(confusion_picture(DetectionMatcher({}, {}, {}).confusion(0.5), {}).width > 0);
}

TEST_CASE("recall at every score and the rows of the matrix agree with pycocotools' recall on 100 pictures of COCO") {
  const std::filesystem::path folder = test::kFixtures / "coco_eval/val2014_fake100";
  CocoAnnotations file = read_coco_annotations(folder / "gt.json");
  ClassList classes;
  for (const auto& category : file.categories) {
    classes.names.push_back(category.name);
    classes.category_ids.push_back(category.id);
  }
  const MetricInput input = take_metric_input(file);
  const std::vector<MetricDetection> detections = read_coco_results(folder / "dt.json");
  const MetricResult metric = evaluate_coco(input, detections);
  const DetectionMatcher matcher(input, detections, classes);
  const OperatingCurves curves = matcher.curves();
  const ConfusionMatrix matrix = matcher.confusion(0.3);
  const std::size_t count = classes.names.size();
  for (std::size_t k = 0; k < count; ++k) {
    INFO(classes.names[k]);
    const double recall = metric.recall[(k * 4 + 0) * 3 + 2];  // IoU 0.5, all areas, 100 detections
    const ScoredMatches& matches = curves.classes[k];
    CHECK(matches.boxes == metric.classes[k].truths);
    if (recall >= 0) CHECK(matches.at(-1).recall() == Approx(recall).epsilon(1e-12));
    std::int64_t row = 0, column = 0;
    for (std::size_t i = 0; i <= count; ++i) {
      row += matrix.at(k, i);
      column += matrix.at(i, k);
    }
    const MatchCounts point = matches.at(0.3);
    CHECK(matrix.at(k, k) == point.hits);
    CHECK(row == point.hits + point.wrong);
    CHECK(column == matches.boxes);
  }
}

/// The metric's result for classes whose curves are level; below 0: undefined.
MetricResult flat_curves(std::size_t count, const std::vector<double>& precisions) {
  MetricResult result;
  result.classes.resize(count);
  result.precision.assign(metric::kThresholds * metric::kRecalls * count * metric::kAreas * metric::kLimits, -1);
  for (std::size_t k = 0; k < count; ++k) {
    result.classes[k].category_id = static_cast<std::int64_t>(k);
    result.classes[k].ap50 = precisions[k];
    for (std::size_t r = 0; r < metric::kRecalls; ++r) {
      result.precision[result.place_of(metric::kIou50 * metric::kRecalls + r, k, 0, metric::kLimits - 1)] =
          precisions[k];
    }
  }
  return result;
}

TEST_CASE("a class without a precision has no curve, and of more than ten classes only the mean is drawn") {
  ClassList names;
  for (int k = 0; k < 11; ++k) {
    names.names.push_back("c" + std::to_string(k));
    names.category_ids.push_back(k);
  }
  CHECK((precision_recall_picture(flat_curves(3, {0.5, 0.7, -1}), names).rgb ==
         precision_recall_picture(flat_curves(2, {0.5, 0.7}), names).rgb));
  const auto colours = [&](std::size_t count) {
    const std::vector<double> level(count, 0.5);
    return pixels_of(precision_recall_picture(flat_curves(count, level), names), curve_color(1));
  };
  CHECK(colours(10) > 0);
  CHECK(colours(11) == 0);
}

TEST_CASE("a matrix of eighty classes is drawn within 1200 pixels") {
  ClassList many;
  for (int i = 0; i < 80; ++i) {
    many.names.push_back("class number " + std::to_string(i));
    many.category_ids.push_back(i);
  }
  const Picture picture = confusion_picture(DetectionMatcher({}, {}, many).confusion(0.25), many);
  CHECK(picture.width < 1200);
  CHECK(picture.height < 1200);
}

TEST_CASE("the counts of a large matrix are drawn, and its cells are wide enough for them") {
  ClassList many;
  for (int i = 0; i < 80; ++i) {
    many.names.push_back("c" + std::to_string(i));
    many.category_ids.push_back(i);
  }
  ConfusionMatrix matrix = DetectionMatcher({}, {}, many).confusion(0.25);
  const auto drawn = [&](std::int64_t count) {
    matrix.at(7, 3) = count;  // alone in its column: always the darkest shade
    return confusion_picture(matrix, many);
  };
  CHECK(drawn(57).rgb != drawn(75).rgb);
  CHECK(drawn(12'345).rgb != drawn(98'765).rgb);
  CHECK(drawn(123).width > drawn(1).width);
  CHECK(drawn(12'345).width < 2400);
  CHECK(drawn(1'500'000'000).width <= drawn(1'500'000).width);  // four characters at most
  const Picture before = confusion_picture(matrix, many);
  matrix.at(80, 80) = 9;  // nothing taken for nothing
  CHECK((confusion_picture(matrix, many).rgb == before.rgb));
}

TEST_CASE("the title of a matrix of few classes has two lines, so that nothing is blank beside the matrix") {
  const ClassList cells{{"RBC", "WBC", "Platelets"}, {1, 2, 3}};
  ConfusionMatrix matrix = DetectionMatcher({}, {}, cells).confusion(0.25);
  matrix.at(0, 0) = 9;
  for (const ConfusionCells kind : {ConfusionCells::kCounts, ConfusionCells::kShares}) {
    const Picture picture = confusion_picture(matrix, cells, kind);
    const auto is_blank = [&](int column) {
      for (int row = 60; row < picture.height; ++row) {
        if (picture.row(row)[3 * column] != 255) return false;
      }
      return true;
    };
    int drawn = picture.width;
    while (drawn > 0 && is_blank(drawn - 1)) --drawn;
    CHECK(picture.width - drawn < 20);
  }
}

TEST_CASE("classes whose names have no letters that can be drawn are called by their index in matrix and curves") {
  const ClassList cells{{"赤血球", "Käfer"}, {5, 70}}, drawn{{"class 0", "Kafer"}, {5, 70}};
  const DetectionMatcher matcher(truth(), std::vector<MetricDetection>{found(1, 5, 0, 0.9)}, cells);
  CHECK((confusion_picture(matcher.confusion(0.5), cells).rgb == confusion_picture(matcher.confusion(0.5), drawn).rgb));
  CHECK((confidence_picture(matcher.curves(), cells, CurveMeasure::kF1).rgb ==
         confidence_picture(matcher.curves(), drawn, CurveMeasure::kF1).rgb));
  MetricResult result = flat_curves(2, {0.5, 0.7});
  result.classes[0].category_id = 5, result.classes[1].category_id = 70;
  CHECK((precision_recall_picture(result, cells).rgb == precision_recall_picture(result, drawn).rgb));
}

TEST_CASE("a name of sixty letters makes the matrix no larger than one of twenty") {
  const ClassList of_sixty{{std::string(60, 'n'), "dog"}, {5, 70}}, of_twenty{{std::string(20, 'n'), "dog"}, {5, 70}};
  const ConfusionMatrix matrix = DetectionMatcher({}, {}, of_sixty).confusion(0.25);
  CHECK(confusion_picture(matrix, of_sixty).height <= confusion_picture(matrix, of_twenty).height);
}

TEST_CASE("F1, precision and recall have a picture each, with the classes that have boxes") {
  const std::vector<MetricDetection> detections{found(1, 5, 0, 0.9), found(1, 5, 100, 0.7), found(1, 70, 21, 0.2)};
  const OperatingCurves curves = DetectionMatcher(truth(), detections, kClasses).curves();
  const auto picture = [&](CurveMeasure measure) { return confidence_picture(curves, kClasses, measure); };
  CHECK(picture(CurveMeasure::kF1).rgb != picture(CurveMeasure::kPrecision).rgb);
  CHECK(picture(CurveMeasure::kRecall).rgb != picture(CurveMeasure::kPrecision).rgb);
  CHECK(pixels_of(picture(CurveMeasure::kRecall), curve_color(2)) > 0);  // mean, cat, dog
  OperatingCurves one = curves;
  one.classes[1].boxes = 0;
  CHECK(pixels_of(confidence_picture(one, kClasses, CurveMeasure::kRecall), curve_color(2)) == 0);
}

TEST_CASE("the normalised matrix says shares of columns: the same for every multiple of the counts") {
  ConfusionMatrix matrix = DetectionMatcher({}, {}, kClasses).confusion(0.25);
  matrix.counts = {6, 1, 0, 2, 3, 1, 0, 0, 0};
  const Picture shares = confusion_picture(matrix, kClasses, ConfusionCells::kShares);
  const Picture counts = confusion_picture(matrix, kClasses);
  for (std::int64_t& count : matrix.counts) count *= 7;
  CHECK((confusion_picture(matrix, kClasses, ConfusionCells::kShares).rgb == shares.rgb));
  CHECK((confusion_picture(matrix, kClasses).rgb != counts.rgb));
  matrix.counts = {42, 0, 0, 14, 0, 0, 0, 0, 0};  // no dog and no false alarm: nothing to divide by
  CHECK(pixels_of(confusion_picture(matrix, kClasses, ConfusionCells::kShares), {255, 255, 255}) >
        pixels_of(shares, {255, 255, 255}));
}
