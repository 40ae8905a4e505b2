#include "train/evaluation/evaluator.h"

#include <cmath>
#include <set>

#include <torch/torch.h>
#include <catch2/catch.hpp>

#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/two_layer_head.h"
#include "train/loop/experiment.h"
#include "train/report/evaluation_report.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;
using test::TwoLayerHead;

TEST_CASE("one pass evaluates the encoder's queries and every decoder layer") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  const auto evaluation = evaluate(experiment.model, *experiment.val, evaluator_options(experiment));
  REQUIRE(evaluation);
  REQUIRE(evaluation->layers.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(evaluation->layers[i].layer.number == static_cast<std::int64_t>(i));
  CHECK(evaluation->layers[0].layer.name == "encoder");
  CHECK(evaluation->layers[2].layer.name == "2");
  CHECK(evaluation->pictures == 24);
  CHECK(evaluation->last().classes.size() == 2);
  CHECK_FALSE(evaluation->losses.empty());

  std::set<std::int64_t> pictures;
  for (const MetricDetection& detection : evaluation->detections) pictures.insert(detection.image_id);
  CHECK(pictures.size() == 24);
  CHECK(evaluation->detections.size() == 24 * 20 * 2);  // every (query, class) pair: there is no threshold
}

TEST_CASE("a head without an encoder's selection is evaluated at the layers that it names, by its own detections") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  TwoLayerHead::offer();
  DetectionModel model = build_model(parse_model_spec(TwoLayerHead::kYaml, "two_layers.yaml"));
  auto evaluation = evaluate(model, *experiment.val, evaluator_options(experiment));
  REQUIRE(evaluation);
  REQUIRE(evaluation->layers.size() == 2);
  CHECK(evaluation->layers[0].layer.name == "coarse");
  CHECK(evaluation->layers[1].layer.number == 2);
  CHECK(evaluation->detections.size() == 24);                                  // one a picture
  CHECK(evaluation->detections[0].score == Approx(1 / (1 + std::exp(-2.0))));  // of the last layer
  CHECK(evaluation->losses.size() == 6);  // three of each layer, none of an encoder
  add_times(*evaluation, model, 64, 64);
  CHECK(evaluation->layers[0].ms > 0);
  CHECK(layer_table(*evaluation).find("\n   coarse") != std::string::npos);
}

TEST_CASE("a layer's numbers are those of the model cut there") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  Experiment whole = prepare_experiment(settings);
  const auto expected = evaluate(whole.model, *whole.val, evaluator_options(whole));
  const auto images = torch::rand({1, 3, 64, 64});
  torch::NoGradGuard no_grad;
  const ModelOutput all = whole.model->forward(images, {.all_layers = true});
  const ModelOutput cut = whole.model->forward(images, {.decoder_layers = 1});
  CHECK(torch::equal(all.layers.front().logits, cut.layers.back().logits));
  CHECK(torch::equal(all.layers.front().boxes_cxcywh, cut.layers.back().boxes_cxcywh));
  CHECK(expected->layers[1].metric.stats[0] >= -1);
}

TEST_CASE("an evaluation that is cancelled has no result") {
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  CHECK_FALSE(evaluate(experiment.model, *experiment.val, evaluator_options(experiment), [] { return true; }));
}

TEST_CASE("times of the layers grow from the encoder on") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  const std::vector<double> ms = time_layers(experiment.model, 64, 64, 3);
  REQUIRE(ms.size() == 3);
  CHECK(ms[1] > 0);
  CHECK(ms[1] - ms[0] == Approx(ms[2] - ms[1]));
}

}  // namespace rtdetr
