#include "train/report/results.h"

#include <cmath>

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"
#include "train/run/run_folder.h"

namespace rtdetr {

using test::TemporaryFolder;

namespace {

/// Two layers, whose AP and AP50 are 0.1, 0.2 and 0.3, 0.4. Of its one class the first half of the recalls is found
/// with precision 0.8.
Evaluation some_evaluation() {
  Evaluation evaluation;
  for (const int layer : {0, 1}) {
    MetricResult metric;
    metric.stats[0] = 0.1 + 0.2 * layer;
    metric.stats[1] = 0.2 + 0.2 * layer;
    metric.classes.resize(1);
    metric.precision.assign(metric::kThresholds * metric::kRecalls * metric::kAreas * metric::kLimits, 0.0);
    for (std::size_t r = 0; r <= 50; ++r) metric.precision[metric.place_of(r, 0, 0, metric::kLimits - 1)] = 0.8;
    evaluation.layers.push_back({.layer = {layer, std::to_string(layer)}, .metric = metric});
  }
  evaluation.detects_with = 1;
  evaluation.losses = {{"loss_mal", 4}, {"loss_bbox", 5}, {"loss_giou", 6}};
  return evaluation;
}

}  // namespace

TEST_CASE("each column of results.csv holds what its title says") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  const Evaluation evaluation = some_evaluation();
  EpochRecord record{.epoch = 2, .train_seconds = 12.5, .evaluation = &evaluation};
  record.layers = {{0, "0"}, {1, "1"}};
  record.losses = {{"loss", 9}, {"loss_mal", 1}, {"loss_bbox", 2}, {"loss_giou", 3}};
  record.rates = {0.01, 0.02};
  {
    RunLog log(folder);
    record_results(record, log);
    record.evaluation = nullptr;
    record_results(record, log);
  }
  const ResultsTable table = read_results(folder.path() / "results.csv");
  const std::vector<std::pair<std::string, double>> expected{{"epoch", 3},
                                                             {"time", 12.5},
                                                             {"train/giou_loss", 3},
                                                             {"train/cls_loss", 1},
                                                             {"train/l1_loss", 2},
                                                             {"metrics/precision(B)", 0.8},
                                                             {"metrics/recall(B)", 0.5},
                                                             {"metrics/mAP50(B)", 0.4},
                                                             {"metrics/mAP50-95(B)", 0.3},
                                                             {"val/giou_loss", 6},
                                                             {"val/cls_loss", 4},
                                                             {"val/l1_loss", 5},
                                                             {"lr/pg0", 0.01},
                                                             {"lr/pg1", 0.02},
                                                             {"train/loss", 9},
                                                             {"layer0/AP", 0.1},
                                                             {"layer0/AP50", 0.2},
                                                             {"layer1/AP", 0.3},
                                                             {"layer1/AP50", 0.4}};
  REQUIRE(table.titles.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(expected[i].first);
    CHECK(table.titles[i] == expected[i].first);
    CHECK(table.columns[i][0] == Approx(expected[i].second));
  }
  for (const char* unknown : {"metrics/mAP50(B)", "val/l1_loss", "layer1/AP"})
    CHECK(std::isnan((*table.find(unknown))[1]));
}

TEST_CASE("a YOLO's table has its three losses, trained and validated, under Ultralytics' titles") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  Evaluation evaluation = some_evaluation();
  evaluation.losses = {{"loss", 15}, {"loss_class", 4}, {"loss_bbox", 5}, {"loss_dfl", 6}};
  EpochRecord record;
  record.losses = {{"loss", 9}, {"loss_class", 1}, {"loss_bbox", 2}, {"loss_dfl", 3}};
  {
    RunLog log(folder);
    record_results(record, log);  // not validated, which must not decide the columns
    record.evaluation = &evaluation;
    record_results(record, log);
  }
  const ResultsTable table = read_results(folder.path() / "results.csv");
  const std::vector<std::pair<std::string, double>> expected{{"train/box_loss", 2}, {"train/cls_loss", 1},
                                                             {"train/dfl_loss", 3}, {"val/box_loss", 5},
                                                             {"val/cls_loss", 4},   {"val/dfl_loss", 6}};
  for (const auto& [title, value] : expected) {
    INFO(title);
    REQUIRE(table.find(title) != nullptr);
    CHECK((*table.find(title))[1] == value);
  }
  for (const char* of_sets : {"train/giou_loss", "train/l1_loss", "val/giou_loss", "val/l1_loss"})
    CHECK(table.find(of_sets) == nullptr);
}

}  // namespace rtdetr
