#include "train/report/run_pictures.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/image/picture.h"
#include "core/io/file.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

/// results.png of validations inside epochs, after 10 and 20 steps.
std::string drawn_by_steps(const std::string& epochs, const std::string& more) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "results.csv", "epoch,metrics/mAP50-95(B),step\n" + epochs.substr(0, 1) + ",0.1,10\n" +
                                               epochs.substr(1) + ",0.2,20\n" + more);
  write_results_picture(folder / "results.csv", folder / "results.png");
  return read_text_file(folder / "results.png");
}

/// Tiles of results.png side by side and above each other.
PictureSize tiles_drawn(const std::string& rows, const std::string& layer = "layer0") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "results.csv",
                   "epoch,train/cls_loss,val/cls_loss,metrics/mAP50-95(B)," + layer + "/AP,lr/pg0\n" + rows);
  write_results_picture(folder / "results.csv", folder / "results.png");
  const PictureSize size = read_picture_size(folder / "results.png");
  return {size.width / 640, size.height / 420};
}

}  // namespace

TEST_CASE("results.png draws what was measured, and no empty charts for what was not") {
  const PictureSize validated = tiles_drawn("1,2.5,3,0.1,0.05,0.001\n2,2.1,2.9,0.2,0.1,0.001\n");
  CHECK(validated.width == 3);
  CHECK(validated.height == 2);
  const PictureSize without_encoder = tiles_drawn("1,2.5,3,0.1,0.05,0.001\n2,2.1,2.9,0.2,0.1,0.001\n", "layer1");
  CHECK(without_encoder.width == validated.width);
  CHECK(without_encoder.height == validated.height);
  const PictureSize not_validated = tiles_drawn("1,2.5,,,,0.001\n2,2.1,,,,0.001\n");
  CHECK(not_validated.width == 2);
  CHECK(not_validated.height == 1);
}

TEST_CASE("pictures of a batch have their files' names below them, without the folder") {
  const test::TemporaryFolder folder;
  const auto drawn = [&](const std::string& file) {
    Dataset dataset;
    dataset.pictures.resize(2);
    dataset.pictures[1].file = file;
    Batch batch;
    batch.size = 1;
    batch.height = batch.width = 64;
    batch.images = FloatBlock(3 * 64 * 64);
    std::fill_n(batch.images.data(), batch.images.size(), 0.5F);
    batch.targets.resize(1);
    batch.targets[0].picture_index = 1;
    write_batch_picture(batch, dataset, folder / "batch.jpg");
    return read_text_file(folder / "batch.jpg");
  };
  CHECK((drawn("here/one.jpg") == drawn("there/one.jpg")));
  CHECK((drawn("one.jpg") != drawn("two.jpg")));
}

TEST_CASE("validation pictures have the detections from the best score on, and their captions say so") {
  const test::TemporaryFolder folder;
  Dataset dataset;
  dataset.classes = {{"cat"}, {5}};
  dataset.truth.category_ids = {5};
  dataset.truth.image_ids = {10};
  dataset.truth.truths = {{10, 5, 1, {100, 10, 40, 20}, 800, false}};
  test::write_small_picture(folder / "0.png", 320, 160, 0);
  dataset.pictures.push_back({.file = folder / "0.png", .id = 10, .width = 320, .height = 160});
  const auto drawn = [&](const std::vector<MetricDetection>& detections) {
    Evaluation evaluation;
    evaluation.detections = detections;
    write_validation_pictures(dataset, evaluation, folder.path());
    return read_text_file(folder / "val_batch0_pred.jpg");
  };
  const MetricDetection right{10, 5, {100, 10, 40, 20}, 0.1};
  const auto wrong = [](double x, double score) { return MetricDetection{10, 5, {x, 90, 40, 20}, score}; };
  CHECK((drawn({right, wrong(200, 0.05)}) == drawn({right, wrong(20, 0.05)})));  // below the best score
  CHECK((drawn({right, wrong(200, 0.05)}) != drawn({right, wrong(20, 0.04)})));  // which captions have
  CHECK((drawn({wrong(200, 0.2)}) == drawn({})));                                // nothing is right: from 0.25 on
  CHECK((drawn({wrong(200, 0.3)}) != drawn({})));
}

TEST_CASE("results.png draws the validations inside an epoch at their steps") {
  const std::string in_one_epoch = drawn_by_steps("11", "");
  CHECK((in_one_epoch == drawn_by_steps("12", "")));
  CHECK((in_one_epoch != drawn_by_steps("11", "1,0.3,30\n")));
}
