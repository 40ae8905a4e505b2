#include "core/base/check.h"
#include "train/evaluation/evaluator.h"

#include <cmath>
#include <set>

#include <ATen/Parallel.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "models/graph/model_files.h"
#include "models/weights/checkpoint.h"
#include "tests/support/devices.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "tests/support/two_layer_head.h"
#include "train/loop/experiment.h"
#include "train/loop/train_options.h"
#include "train/report/evaluation_report.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;
using test::TwoLayerHead;

namespace {

/// Moves every weight, so that layers tell apart what those of a fresh model leave at their anchors, and widens the
/// boxes to about the size of the pictures' rectangles.
void scatter_weights(torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  auto generator = torch::make_generator<torch::CPUGeneratorImpl>(3);
  for (auto& item : model.named_parameters()) {
    item.value().add_(torch::randn(item.value().sizes(), generator), 0.05);
    if (item.key().find("enc_bbox_head.layers.2.bias") != std::string::npos)
      item.value().add_(torch::tensor({0.0, 0.0, 1.2, 1.2}));
  }
}

}  // namespace

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
  CHECK(evaluation->detecting().metric.classes.size() == 2);
  CHECK_FALSE(evaluation->losses.empty());

  std::set<std::int64_t> pictures;
  for (const MetricDetection& detection : evaluation->detections) pictures.insert(detection.image_id);
  CHECK(pictures.size() == 24);
  CHECK(evaluation->detections.size() == 24 * 20 * 2);  // every (query, class) pair: there is no threshold
}

TEST_CASE("what predicts in the model's place is evaluated as its last layer, and no other") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  scatter_weights(*experiment.model);
  EvaluatorOptions options = evaluator_options(experiment);
  options.criterion = std::nullopt;
  const Evaluation of_model = *evaluate(experiment.model, *experiment.val, options);
  options.predictor = {
      .run = [&](const Tensor& images, auto /*valid_sizes*/) { return experiment.model->forward(images); },
      .last_alone = true};
  const Evaluation same = *evaluate(experiment.model, *experiment.val, options);
  REQUIRE(same.layers.size() == 1);
  CHECK(same.layers[0].layer.number == of_model.layers.back().layer.number);
  CHECK(same.detecting().metric.ap() == of_model.detecting().metric.ap());
  REQUIRE(same.detections.size() == of_model.detections.size());
  CHECK(same.detections.front().score == of_model.detections.front().score);
  options.predictor.run = [&](const Tensor& images, auto /*valid_sizes*/) {
    ModelOutput nothing = experiment.model->forward(images);
    nothing.layers.back().boxes_cxcywh.zero_();
    return nothing;
  };
  CHECK(evaluate(experiment.model, *experiment.val, options)->detecting().metric.ap() == 0);
  options.predictor.run = [&](const Tensor& images, auto /*valid_sizes*/) {
    ModelOutput odd = experiment.model->forward(images);
    odd.layers.back().boxes_cxcywh.fill_(std::numeric_limits<double>::quiet_NaN());
    return odd;
  };
  CHECK_THROWS_AS(evaluate(experiment.model, *experiment.val, options), DivergedError);
}

TEST_CASE("the device of a run reaches its models, its steps and its evaluation", "[devices]") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.device = test::test_device().str();
  Experiment experiment = prepare_experiment(settings);
  const std::string found = experiment.model->parameters().front().device().str();
  CHECK(found.starts_with(settings.device));
  CHECK(experiment.average->buffers().front().device().str() == found);
  CHECK(train_options(experiment).step.device.str() == found);
  CHECK(evaluate(experiment.model, *experiment.val, evaluator_options(experiment))->pictures == 24);
  experiment.device = torch::kMeta;  // whichever it is
  CHECK(train_options(experiment).step.device.is_meta());
  CHECK(train_options(experiment).evaluation.device.is_meta());
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
  add_times(*evaluation, model, {.height = 64, .width = 64});
  CHECK(evaluation->layers[0].ms > 0);
  CHECK(layer_table(*evaluation).find("coarse") != std::string::npos);
}

TEST_CASE("a layer's numbers are those of the model cut there") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment whole = prepare_experiment(make_micro_run(temp.path()));
  scatter_weights(*whole.model);
  const EvaluatorOptions options = evaluator_options(whole);
  const auto all = evaluate(whole.model, *whole.val, options);
  const ClassList& classes = whole.val->classes;
  save_model(temp / "whole.safetensors", whole.model,
             describe_model(whole.model, {.names = classes.names, .category_ids = classes.category_ids}));
  DetectionModel cut = load_model(temp / "whole.safetensors", {.decoder_layers = 1}).model;
  const auto expected = evaluate(cut, *whole.val, options);
  REQUIRE(expected->layers.size() == 2);
  for (std::size_t layer : {0, 1}) CHECK(all->layers[layer].metric.stats == expected->layers[layer].metric.stats);

  // Numbers worth comparing: boxes are found, and each layer finds others.
  for (const auto& layer : all->layers) CHECK(layer.metric.stats[8] > 0.01);
  CHECK(all->layers[0].metric.stats != all->layers[1].metric.stats);
  CHECK(all->layers[1].metric.stats != all->layers[2].metric.stats);
}

TEST_CASE("a model under training is evaluated by its running statistics, which stay as they are") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  const EvaluatorOptions options = evaluator_options(experiment);
  const auto expected = evaluate(experiment.model, *experiment.val, options);
  std::vector<torch::Tensor> before;
  for (const torch::Tensor& buffer : experiment.model->buffers()) before.push_back(buffer.clone());
  experiment.model->train();
  const auto found = evaluate(experiment.model, *experiment.val, options);
  CHECK(found->losses == expected->losses);
  const std::vector<torch::Tensor> after = experiment.model->buffers();
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(torch::equal(after[i], before[i]));
}

TEST_CASE("losses are means over pictures, also where the last batch is smaller") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  EvaluatorOptions options = evaluator_options(experiment);
  options.batch = 16;
  const auto loss_of = [&](const std::vector<std::size_t>& pictures) {
    Dataset part = *experiment.val;
    part.pictures.clear();
    for (const std::size_t i : pictures) part.pictures.push_back(experiment.val->pictures[i]);
    return evaluate(experiment.model, part, options)->losses.front().second;
  };
  const std::vector<std::size_t> first(16, 0), last(8, 1);
  std::vector<std::size_t> both = first;
  both.insert(both.end(), last.begin(), last.end());
  CHECK(loss_of(both) == Approx((16 * loss_of({0}) + 8 * loss_of({1})) / 24));
  CHECK(loss_of({0}) != Approx(loss_of({1})));
}

TEST_CASE("an evaluation in a half type has float32's numbers, to that type's precision") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  scatter_weights(*experiment.model);
  EvaluatorOptions options = evaluator_options(experiment);
  const auto whole = evaluate(experiment.model, *experiment.val, options);
  const auto [precision, tolerance] =
      GENERATE(table<Precision, double>({{Precision::kFloat16, 0.004}, {Precision::kBFloat16, 0.03}}));
  options.precision = precision;
  const auto half = evaluate(experiment.model, *experiment.val, options);
  REQUIRE(half->losses.size() == whole->losses.size());
  for (std::size_t i = 0; i < whole->losses.size(); ++i) {
    INFO(whole->losses[i].first);
    CHECK(half->losses[i].second == Approx(whole->losses[i].second).epsilon(tolerance));
  }
  CHECK(half->losses[0].second != whole->losses[0].second);
  CHECK(std::abs(half->detecting().metric.ap50() - whole->detecting().metric.ap50()) < 0.02);
  REQUIRE(half->detections.size() == whole->detections.size());
  CHECK(half->detections[0].score == Approx(whole->detections[0].score).epsilon(tolerance));
}

namespace {

/// The first pictures of a data set, and their boxes.
Dataset first_pictures(const Dataset& all, std::size_t count) {
  Dataset dataset = all;
  dataset.pictures.resize(count);
  dataset.truth.image_ids.clear();
  for (const auto& picture : dataset.pictures) dataset.truth.image_ids.push_back(picture.id);
  return dataset;
}

std::vector<std::int64_t> images_of_all(const Evaluation& evaluation) {
  std::vector<std::int64_t> ids;
  for (const MetricDetection& detection : evaluation.detections) ids.push_back(detection.image_id);
  return ids;
}

/// The model on one picture at a time: how a product rounds one may depend on how many a batch has.
Predictor picture_by_picture(DetectionModel& model) {
  return {.run = [&model](const Tensor& images, auto /*valid_sizes*/) {
    std::vector<ModelOutput> outputs;
    for (std::int64_t k = 0; k < images.size(0); ++k)
      outputs.push_back(model->forward(images.narrow(0, k, 1), {.all_layers = true}));
    const auto joined = [&](const auto& prediction) {
      std::vector<Tensor> logits, boxes;
      for (const ModelOutput& output : outputs) {
        logits.push_back(prediction(output).logits);
        boxes.push_back(prediction(output).boxes_cxcywh);
      }
      return Prediction{torch::cat(logits), torch::cat(boxes)};
    };
    ModelOutput all;
    all.encoder = joined([](const ModelOutput& output) { return output.encoder; });
    for (std::size_t layer = 0; layer < outputs.front().layers.size(); ++layer)
      all.layers.push_back(joined([&](const ModelOutput& output) { return output.layers[layer]; }));
    return all;
  }};
}

void check_equal(const Evaluation& found, const Evaluation& expected) {
  RTDETR_CHECK(found.pictures == expected.pictures, "pictures");
  RTDETR_CHECK(images_of_all(found) == images_of_all(expected), "the detections' order");
  for (std::size_t layer = 0; layer < expected.layers.size(); ++layer) {
    const MetricResult &a = found.layers[layer].metric, &b = expected.layers[layer].metric;
    RTDETR_CHECK(a.stats == b.stats && a.precision == b.precision && a.recall == b.recall, "metrics");
  }
  RTDETR_CHECK(found.losses.size() == expected.losses.size(), "loss terms");
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    const auto& [name, mean] = found.losses[i];
    RTDETR_CHECK(name == expected.losses[i].first && mean == Approx(expected.losses[i].second).epsilon(1e-5), name);
  }
}

}  // namespace

TEST_CASE("several processes evaluate together what one evaluates alone, pictures for all of them or not") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path(), {.pictures = 17});
  std::vector<Experiment> experiments;  // of each rank
  for (int rank = 0; rank < 4; ++rank) scatter_weights(*experiments.emplace_back(prepare_experiment(settings)).model);
  EvaluatorOptions options = evaluator_options(experiments[0]);
  options.batch = 5;
  options.workers = 0;
  options.criterion = GENERATE(CriterionOptions(), CriterionOptions::ultralytics());
  for (std::size_t count = 1; count <= 17; ++count) {
    const Dataset dataset = first_pictures(*experiments[0].val, count);
    options.predictor = picture_by_picture(experiments[0].model);
    const auto alone = evaluate(experiments[0].model, dataset, options);
    for (std::int64_t size = 1; size <= 4; ++size) {
      INFO(count << " pictures, " << size << " processes");
      CHECK_NOTHROW(test::ThreadWorld(size).run([&](ProcessGroup& group) {
        DetectionModel model = experiments[static_cast<std::size_t>(group.rank())].model;
        EvaluatorOptions of_rank = options;
        of_rank.predictor = picture_by_picture(model);
        check_equal(*evaluate(model, dataset, of_rank, {}, group), *alone);
      }));
    }
  }
}

TEST_CASE("processes that share an evaluation are asked as often whether it is cancelled, and end it together") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path(), {.pictures = 13});
  std::vector<Experiment> experiments;
  for (int rank = 0; rank < 3; ++rank) experiments.push_back(prepare_experiment(settings));
  EvaluatorOptions options = evaluator_options(experiments[0]);
  options.batch = 4;  // 4 + 4 + 4 + 1: of the last one two processes have no picture
  for (const int last : {2, 4, 5}) {
    std::vector<int> asked(3), ended(3);
    test::ThreadWorld(3).run([&](ProcessGroup& group) {
      const auto rank = static_cast<std::size_t>(group.rank());
      const auto cancelled = [&] {
        std::int64_t mine = ++asked[rank] == last && rank == 2 ? 1 : 0;
        group.all_reduce(std::span(&mine, 1), Reduction::kMax);
        return mine == 1;
      };
      ended[rank] = evaluate(experiments[rank].model, *experiments[rank].val, options, cancelled, group) ? 0 : 1;
    });
    CHECK(asked == std::vector<int>(3, std::min(last, 4)));
    CHECK(ended == std::vector<int>(3, last <= 4 ? 1 : 0));
  }
}

TEST_CASE("an evaluation that is cancelled has no result") {
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  CHECK_FALSE(evaluate(experiment.model, *experiment.val, evaluator_options(experiment), [] { return true; }));
}

TEST_CASE("layers that a fused model does not have keep their AP and get no time") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  Experiment experiment = prepare_experiment(settings);
  std::string text = experiment.model->spec().text;
  const std::size_t at = text.find("layers: 2");
  REQUIRE(at != std::string::npos);
  text.insert(at, "eval_idx: 0, ");
  DetectionModel model = build_model(parse_model_spec(text, "cut.yaml"));
  CHECK(model->head().usual_layers() == 1);
  scatter_weights(*model);
  Evaluation evaluation = *evaluate(model, *experiment.val, {.height = 64, .width = 64});
  REQUIRE(evaluation.layers.size() == 3);
  CHECK(evaluation.detecting().layer.number == 1);  // as what is exported detects
  model->fuse();
  const Evaluation fused = *evaluate(model, *experiment.val, {.height = 64, .width = 64});
  CHECK(fused.detecting().layer.number == 1);
  REQUIRE(fused.detections.size() == evaluation.detections.size());
  for (std::size_t i = 0; i < fused.detections.size(); ++i)
    CHECK(fused.detections[i].score == Approx(evaluation.detections[i].score).margin(1e-5));
  add_times(evaluation, model, {.height = 64, .width = 64});
  CHECK(evaluation.layers[1].ms > 0);
  CHECK(evaluation.layers[2].ms == -1);
}

TEST_CASE("times of the layers grow from the encoder on") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  const std::vector<double> ms = time_layers(experiment.model, {.height = 64, .width = 64}, 3);
  REQUIRE(ms.size() == 3);
  CHECK(ms[1] > 0);
  CHECK(ms[1] - ms[0] == Approx(ms[2] - ms[1]));
}

}  // namespace rtdetr
