#include "train/report/output.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "train/report/evaluation_report.h"
#include "train/report/progress.h"
#include "train/report/results.h"
#include "train/report/work_progress.h"

using namespace rtdetr;

TEST_CASE("columns line up, text to the left and numbers to the right") {
  TextTable table({{"class", TextTable::Align::kLeft}, {"AP"}});
  table.add({"RBC", "0.5"});
  table.add({"Thrombozyten", "-"});
  CHECK(table.text() ==
        "  class          AP\n"
        "  RBC           0.5\n"
        "  Thrombozyten    -\n");
}

TEST_CASE("a letter of several bytes takes one column") {
  TextTable table({{"name", TextTable::Align::kLeft}, {"n"}});
  table.add({"Zähler", "1"});
  table.add({"Nenner", "2"});
  CHECK(table.text() == "  name    n\n  Zähler  1\n  Nenner  2\n");
}

TEST_CASE("a row may be shorter than the header, and no line ends in spaces") {
  TextTable table({{"a", TextTable::Align::kLeft}, {"b", TextTable::Align::kLeft}});
  table.add({"x"});
  CHECK(table.text() == "  a  b\n  x\n");
}

TEST_CASE("a table that is too wide goes on in a second block, which begins with the first column") {
  TextTable table({{"split", TextTable::Align::kLeft}, {"pictures"}, {"boxes"}, {"crowds"}});
  table.add({"train", "100", "2,000", "3"});
  table.add({"val", "10", "200", "0"});
  CHECK(table.text(40) ==
        "  split  pictures  boxes  crowds\n  train       100  2,000       3\n  val          10    200       0\n");
  CHECK(table.text(26) ==
        "  split  pictures  boxes\n  train       100  2,000\n  val          10    200\n"
        "\n"
        "  split  crowds\n  train       3\n  val         0\n");
}

TEST_CASE("a last column of text is broken between words") {
  TextTable table({{"key", TextTable::Align::kLeft}, {"meaning", TextTable::Align::kLeft}});
  table.add({"lr0", "how far a step goes at the beginning"});
  table.add({"lrf", "at the end"});
  CHECK(table.text(30) == "  key  meaning\n  lr0  how far a step goes at\n       the beginning\n  lrf  at the end\n");
}

TEST_CASE("evaluation's table fits 80 columns with times of thousands of milliseconds") {
  Evaluation evaluation;
  evaluation.layers.resize(2);
  for (Evaluation::Layer& layer : evaluation.layers) layer.ms = 1234.5;
  evaluation.layers[0].layer = {0, "encoder"};
  evaluation.layers[1].layer = {1, "1"};
  const std::vector<std::string> lines = split(layer_table(evaluation), '\n');
  CHECK(lines.size() == 4);
  for (const std::string& line : lines) CHECK(line.size() <= 80);
}

TEST_CASE("the live line has bar, time left, speed and loss within 80 columns, and more where there is room") {
  ProgressLine progress;
  ProgressPoint point{.epoch = 2, .epochs = 40, .step = 12, .steps = 25, .loss = 15.21};
  point.terms = {{"loss_vfl", 0.61}, {"loss_bbox", 0.29}, {"loss_giou", 0.63}, {"loss_vfl_aux_0", 9}};
  point.pictures = 8;
  point.step_seconds = 0.4;
  point.wait_seconds = 0.008;
  point.remaining_steps = 100;
  progress.note(point);
  const std::string live = progress.line(point, 200), whole = " (vfl 0.61 bbox 0.29 giou 0.63)  ";
  CHECK(live.starts_with("epoch 3/40  [====>     ] 12/25  ETA 0:40  20.0 img/s  data 2 %  loss 15.21" + whole));
  CHECK(progress.line(point, 0).starts_with("epoch 3/40  step 12/25  ETA 0:40"));
  CHECK(progress.line(point, 0).find(whole) != std::string::npos);
  CHECK(progress.line(point, 79) == "epoch 3/40  [====>     ] 12/25  ETA 0:40  20.0 img/s  data 2 %  loss 15.21");
  CHECK(progress.line(point, 58) == "epoch 3/40  step 12/25  ETA 0:40  20.0 img/s  loss 15.21");
  CHECK(progress.line(point, 40) == "epoch 3/40  step 12/25  ETA 0:40  loss 15.21");
}

TEST_CASE("the time left has the validations that come, as long as the last ones took, or says that it is without") {
  ProgressLine progress;
  ProgressPoint point{.epochs = 4, .step = 1, .steps = 5, .step_seconds = 1, .remaining_steps = 20, .validations = 3};
  progress.note(point);
  CHECK(progress.line(point, 0).find("  ETA 0:20 + validations  ") != std::string::npos);
  point.validation_seconds = 10;
  CHECK(progress.line(point, 0).find("  ETA 0:50  ") != std::string::npos);
  CHECK(progress.event(point)["eta_s"] == 50);
  point.remaining_seconds = 5;
  CHECK(progress.event(point)["eta_s"] == 35);
}

TEST_CASE("a step's event has the same numbers, every term, and null for what is no number") {
  ProgressLine progress;
  ProgressPoint point{.epoch = 2, .epochs = 40, .step = 12, .steps = 25, .loss = 15.25};
  point.terms = {{"loss_vfl", 0.5}, {"loss_vfl_aux_0", 9}};
  point.pictures = 8;
  point.step_seconds = 0.5;
  point.wait_seconds = 0.125;
  point.remaining_steps = 100;
  progress.note(point);
  auto event = nlohmann::json::parse(json_line(progress.event(point)));
  CHECK(event["memory_mib"] > 1);
  event.erase("memory_mib");
  CHECK((event == nlohmann::json{{"type", "step"},
                                 {"epoch", 3},
                                 {"epochs", 40},
                                 {"step", 12},
                                 {"steps", 25},
                                 {"eta_s", 50.0},
                                 {"loss", 15.25},
                                 {"losses", {{"loss_vfl", 0.5}, {"loss_vfl_aux_0", 9.0}}},
                                 {"images_per_s", 16.0},
                                 {"wait_share", 0.25}}));
  point.epochs = 0;
  point.remaining_seconds = 12;
  point.loss = std::nan("");
  const auto by_clock = nlohmann::json::parse(json_line(progress.event(point)));
  CHECK(by_clock["epochs"].is_null());
  CHECK(by_clock["eta_s"] == 12.0);
  CHECK(by_clock["loss"].is_null());
}

TEST_CASE("work on pictures or runs is an event of what, how many and how long") {
  const auto event = nlohmann::json::parse(json_line(WorkProgress(5000, "evaluating: ").event(1200, 60)));
  CHECK((event == nlohmann::json{{"type", "progress"},
                                 {"what", "evaluating"},
                                 {"unit", "pictures"},
                                 {"done", 1200},
                                 {"total", 5000},
                                 {"per_s", 20.0},
                                 {"eta_s", 190.0}}));
  CHECK(WorkProgress(0, "detecting: ", "frames").line(30, 1.5) == "detecting: 30 frames, 20.0 frames/s");
  CHECK(WorkProgress(0, "", "frames").event(30, 1.5)["eta_s"].is_null());
  CHECK(WorkProgress(23, "measuring: ", "runs").line(3, 1.5) == "measuring: 3 of 23 runs, 2.0 runs/s, 0:10 left");
}

TEST_CASE("a validation's event has AP of every layer and the losses") {
  Evaluation evaluation;
  evaluation.layers.resize(2);
  evaluation.layers[0].layer = {0, "encoder"};
  evaluation.layers[1].layer = {1, "1"};
  for (Evaluation::Layer& layer : evaluation.layers) layer.metric.stats.fill(0.25);
  evaluation.layers[1].metric.stats[0] = 0.5;
  evaluation.detects_with = 1;
  evaluation.losses = {{"loss_vfl", 0.75}};
  evaluation.pictures = 6;
  const auto event = nlohmann::json::parse(
      json_line(validation_event({.epoch = 2, .inside = true, .run_steps = 41, .evaluation = &evaluation})));
  CHECK(event["epoch"] == 3);
  CHECK(event["step"] == 41);
  CHECK(event["inside"] == true);
  CHECK(event["ap"] == 0.5);
  CHECK(event["ap50"] == 0.25);
  CHECK(event["layers"] == nlohmann::json::parse(R"([{"layer":0,"ap":0.25},{"layer":1,"ap":0.5}])"));
  CHECK((event["losses"] == nlohmann::json{{"loss_vfl", 0.75}}));
  CHECK(event["pictures"] == 6);
}
