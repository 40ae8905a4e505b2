#include "train/report/worst_pictures.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

/// Pictures 10, 11, … with a cat in each, at the same place.
Dataset cats(const test::TemporaryFolder& folder, int pictures) {
  Dataset dataset;
  dataset.classes = {{"cat"}, {5}};
  dataset.truth.category_ids = {5};
  for (int i = 0; i < pictures; ++i) {
    const std::filesystem::path file = folder / (std::to_string(i) + ".png");
    test::write_small_picture(file, 800, 40, i);
    const auto at = static_cast<std::uint32_t>(i);
    dataset.pictures.push_back(
        {.file = file, .id = 10 + i, .width = 800, .height = 40, .first_box = at, .box_count = 1});
    dataset.boxes.push_back({{100, 10, 140, 30}, 0});
    dataset.truth.image_ids.push_back(10 + i);
    dataset.truth.truths.push_back({10 + i, 5, i + 1, {100, 10, 40, 20}, 800, false});
  }
  return dataset;
}

MetricDetection cat_found(std::int64_t picture, double x, double score) { return {picture, 5, {x, 10, 40, 20}, score}; }

}  // namespace

TEST_CASE("the worst pictures come first, small, and those without fault not at all") {
  const test::TemporaryFolder folder;
  const Dataset dataset = cats(folder, 4);
  Evaluation evaluation;
  evaluation.detections = {cat_found(10, 100, 0.9), cat_found(11, 100, 0.9), cat_found(11, 300, 0.8),
                           cat_found(12, 100, 0.3), cat_found(13, 400, 0.9)};
  const DetectionReport report = report_detections(evaluation, dataset, 0.5);
  const std::vector<WorstPicture> worst = worst_pictures(dataset, evaluation, report);
  REQUIRE(worst.size() == 3);
  CHECK(worst[0].name == "3.png");  // one wrong, one missed
  CHECK(worst[1].name == "2.png");  // one missed: what was found is below the confidence
  CHECK(worst[2].name == "1.png");  // found, and one wrong
  CHECK(worst[2].counts.f1() == Approx(2 / 3.0));
  const Picture shown = decode_picture(std::as_bytes(std::span(worst[0].jpeg)), "shown");
  CHECK(shown.width == 400);
  CHECK(shown.height == 20);
  CHECK(worst_pictures(dataset, evaluation, report, 1).size() == 1);
}

TEST_CASE("a picture that is gone is passed over") {
  const test::TemporaryFolder folder;
  const Dataset dataset = cats(folder, 2);
  std::filesystem::remove(dataset.pictures[0].file);
  const std::vector<WorstPicture> worst = worst_pictures(dataset, {}, report_detections({}, dataset, 0.5));
  REQUIRE(worst.size() == 1);
  CHECK(worst[0].name == "1.png");
}
