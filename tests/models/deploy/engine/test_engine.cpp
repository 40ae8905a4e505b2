#include "models/deploy/engine/engine.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <thread>

#include "models/deploy/engine/fusion.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/output_comparison.h"
#include "models/graph/model_files.h"
#include "tests/models/every_row.h"
#include "tests/models/small_model.h"
#include "tests/support/fill.h"
#include "tests/support/two_layer_head.h"

namespace rtdetr {
namespace {

constexpr double kEngineRounding = 1e-4;  // of scores and boxes

DetectionModel prepared_model(const std::string& yaml) {
  at::set_num_threads(1);
  DetectionModel model = build_model(parse_model_spec(yaml, "small.yaml"));
  test::fill_by_rule(*model);
  model->fuse();
  return model;
}

Tensor engine_pictures(std::int64_t batch) {
  return test::images_by_key("engine", {batch, 3, 64, 96}).to(torch::kFloat);
}

double prediction_difference(const ModelOutput& a, const ModelOutput& b) {
  const OrderedOutput x = ordered_output(a.layers.back(), a.topk_indices),
                      y = ordered_output(b.layers.back(), b.topk_indices);
  REQUIRE(x.tokens.defined() == y.tokens.defined());
  if (x.tokens.defined()) REQUIRE(x.tokens.equal(y.tokens));
  return difference_of(x, y).max_abs;
}

/// Close to what the model computes in float32, and not the same.
void check_rounded(DetectionModel& model, const EngineNumbers& numbers) {
  const auto engine = CpuEngine::prepare(*model, {64, 96}, {.numbers = numbers});
  REQUIRE(engine);
  CHECK(engine->format() == numbers.format);
  const ModelOutput whole = model->forward(engine_pictures(2)), narrow = engine->run(engine_pictures(2));
  const RoundingCost cost = rounding_cost(ordered_output(whole.layers.back(), whole.topk_indices),
                                          ordered_output(narrow.layers.back(), narrow.topk_indices));
  CHECK(cost.other_queries == 0);
  CHECK(cost.mean() < 0.01);
  CHECK(cost.difference.max_abs > 1e-5);
}

}  // namespace

TEST_CASE("the engine computes what every module that a row can name computes") {
  const std::string row = GENERATE(from_range(test::every_row()));
  INFO(row);
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(
      "nc: 3\nbackbone:\n  - [-1, 1, ConvNorm, [8, 3, 4, relu]]\n  - " + row +
      "\nhead:\n  - [[1], 1, RTDETRDecoder, [nc, {dim: 8, queries: 2000, heads: 2, layers: 1}]]\n");  // all tokens, for
                                                                                                      // some tie
  const auto engine = CpuEngine::prepare(*model, {64, 96});
  REQUIRE(engine);
  CHECK(prediction_difference(model->forward(engine_pictures(1)), engine->run(engine_pictures(1))) < kEngineRounding);
}

TEST_CASE("the engine computes what every kind of decoder computes, of every picture in a batch") {
  const std::string decoder =
      GENERATE("variant: v2", "variant: v1", "variant: ultralytics", "variant: v1, eval_idx: 1",
               "variant: v2, points: [3, 1, 2]", "variant: v2, points: [4, 2, 2, 1]", "variant: v2, select: one2many",
               "variant: v2, learnt_init_query: true", "variant: v2, two_stage: false",
               "variant: ultralytics, act: gelu", "variant: v2, anchors: fixed", "variant: v2, sampling: discrete",
               "variant: v2, sampling: discrete, discrete_clamp: fixed");
  INFO(decoder);
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml(decoder));
  const auto engine = CpuEngine::prepare(*model, {64, 96});
  REQUIRE(engine);
  const ModelOutput found = engine->run(engine_pictures(2));
  REQUIRE(found.layers.size() == 1);
  CHECK(prediction_difference(model->forward(engine_pictures(2)), found) < kEngineRounding);
}

TEST_CASE("the engine computes what the model computes of tokens near the border, which the official code masks") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2", 2000));  // all tokens
  const Tensor images = test::images_by_key("engine", {1, 3, 512, 64}).to(torch::kFloat);
  const auto engine = CpuEngine::prepare(*model, {512, 64});
  REQUIRE(engine);
  CHECK(prediction_difference(model->forward(images), engine->run(images)) < kEngineRounding);
}

TEST_CASE("an engine of fewer decoder layers computes what the model computes with as many") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const auto layers = GENERATE(1, 2, 3);
  ForwardOptions options;
  options.decoder_layers = layers;
  const auto engine = CpuEngine::prepare(*model, {64, 96}, {.decoder_layers = layers});
  REQUIRE(engine);
  CHECK(engine->decoder_layers() == layers);
  CHECK(prediction_difference(model->forward(engine_pictures(1), options), engine->run(engine_pictures(1))) <
        kEngineRounding);
}

TEST_CASE("an engine of all layers computes what the head predicts at each of them") {
  const std::string decoder =
      GENERATE("variant: v2", "variant: v1, eval_idx: 1", "variant: ultralytics", "variant: dfine");
  const auto layers = GENERATE(0, 1);
  INFO(decoder << ", decoder_layers = " << layers);
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml(decoder));
  const auto engine = CpuEngine::prepare(*model, {64, 96}, {.decoder_layers = layers, .all_layers = true});
  REQUIRE(engine);
  std::vector<CpuEngine::StepTime> times;
  ModelOutput found = engine->run(engine_pictures(2), &times),
              expected = model->forward(engine_pictures(2), {.decoder_layers = layers, .all_layers = true});
  REQUIRE(found.layers.size() == expected.layers.size());
  for (CpuEngine::StepTime& step : times) step.ms = 1;  // a deeper pass has more steps, whatever the clock says
  const std::vector<double> ms = engine->layer_ms(times);
  REQUIRE(ms.size() == found.layers.size() + 1);
  found.layers.push_back(found.encoder);
  expected.layers.push_back(expected.encoder);
  for (std::size_t k = 0; k < ms.size(); ++k) {
    INFO("layer " << k);
    CHECK(prediction_difference(expected, found) < kEngineRounding);
    found.layers.pop_back();
    expected.layers.pop_back();
    if (k > 0) CHECK(ms[k] > ms[k - 1]);
  }
}

TEST_CASE("several threads get from one engine what one thread gets, whatever their number of threads") {
  const c10::InferenceMode inference;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const auto engine = CpuEngine::prepare(*model, {64, 96});
  REQUIRE(engine);
  const Tensor images = engine_pictures(1), expected = engine->run(images).layers.back().logits;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      at::set_num_threads(1 + t % 2);
      const c10::InferenceMode mode;
      for (int k = 0; k < 8; ++k) wrong += !engine->run(images).layers.back().logits.equal(expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("an engine may take the model's weights, and needs the model no more") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const ModelOutput expected = model->forward(engine_pictures(1));
  const auto engine = CpuEngine::prepare(*model, {64, 96}, {.take_weights = true});
  REQUIRE(engine);
  for (const Tensor& parameter : model->parameters()) CHECK(parameter.numel() == 0);
  model = nullptr;
  CHECK(prediction_difference(expected, engine->run(engine_pictures(1))) < kEngineRounding);
}

TEST_CASE("an engine in bf16 computes what the model computes, to that type's precision") {
  if (!can_multiply(NumberFormat::kBFloat16)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const std::string decoder =
      GENERATE("variant: v2", "variant: v1", "variant: ultralytics", "variant: v2, sampling: discrete");
  INFO(decoder);
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml(decoder, 2000));  // all tokens
  check_rounded(model, {NumberFormat::kBFloat16});
}

TEST_CASE("a bf16 engine multiplies in float32 what a picture, a box or a score is made of") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const bool all_layers = GENERATE(false, true);
  EngineGraph graph = make_engine_graph(*model, {64, 96}, {.all_layers = all_layers});
  fuse_operations(graph);
  choose_numbers(graph, {NumberFormat::kBFloat16});
  int narrow = 0;
  for (const EngineNode& node : graph.nodes) {
    INFO(node.name);
    if (node.op == "Attention") CHECK(node.format == NumberFormat::kBFloat16);
    if (node.op != "Conv" && node.op != "Linear") continue;
    const bool precise =
        node.name.find("bbox_head") != std::string::npos || node.name.find("score_head") != std::string::npos ||
        node.name.find("query_pos_head/layers.0") != std::string::npos || node.name.find("0.ConvNorm") == 0;
    CHECK(node.format == (precise ? NumberFormat::kFloat32 : NumberFormat::kBFloat16));
    narrow += node.format == NumberFormat::kBFloat16;
  }
  CHECK(narrow > 10);
}

TEST_CASE("an engine measures what its products are given: the first one the pictures, until they are no numbers") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const auto engine = CpuEngine::prepare(*model, {64, 96}, {.all_layers = true});
  REQUIRE(engine);
  const Tensor pictures = engine_pictures(2);
  InputRanges ranges;
  engine->add_input_ranges(pictures[0].unsqueeze(0) * 0.5, ranges);
  const InputRanges half = ranges;
  engine->add_input_ranges(pictures, ranges);
  CHECK(ranges.size() > 20);
  for (const auto& [name, range] : ranges) {
    INFO(name);
    CHECK(range.low <= half.at(name).low);
    CHECK(range.high >= half.at(name).high);
    if (!name.starts_with("0.ConvNorm")) continue;
    CHECK(range.low == std::min(0.0F, pictures.min().item<float>()));
    CHECK(range.high == pictures.max().item<float>());
    CHECK(half.at(name).high == 0.5F * pictures[0].max().item<float>());
  }
  CHECK_THROWS_AS(engine->add_input_ranges(pictures * std::numeric_limits<float>::quiet_NaN(), ranges), DivergedError);
}

TEST_CASE("an engine in int8 computes what the model computes, to that type's precision") {
  if (!can_multiply(NumberFormat::kInt8)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2", 2000));  // all tokens
  InputRanges ranges;
  CpuEngine::prepare(*model, {64, 96})->add_input_ranges(engine_pictures(2), ranges);
  check_rounded(model, {NumberFormat::kInt8, ranges});
}

TEST_CASE("what a calibration of every layer measures is called as in an engine of any depth and size") {
  const torch::NoGradGuard no_grad;
  const std::string variant = GENERATE(as<std::string>{}, "v2", "dfine", "deimv2");
  CAPTURE(variant);
  DetectionModel model = prepared_model(test::small_yaml("variant: " + variant));
  InputRanges ranges;
  CpuEngine::prepare(*model, {64, 96}, {.all_layers = true})->add_input_ranges(engine_pictures(1), ranges);
  for (const std::int64_t layers : {0, 1}) {
    EngineGraph graph = make_engine_graph(*model, {96, 64}, {.decoder_layers = layers});
    fuse_operations(graph);
    choose_numbers(graph, {NumberFormat::kBFloat16});
    for (const EngineNode& node : graph.nodes) {
      INFO(node.name);
      if (node.format == NumberFormat::kBFloat16 && node.op != "Attention") CHECK(ranges.contains(node.name));
    }
  }
}

TEST_CASE("products of which nothing is known stay float32 in an int8 engine") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  EngineGraph graph = make_engine_graph(*model, {64, 96}, {});
  fuse_operations(graph);
  choose_numbers(graph, {NumberFormat::kBFloat16});
  const auto narrow = std::ranges::find(graph.nodes, NumberFormat::kBFloat16, &EngineNode::format);
  REQUIRE(narrow != graph.nodes.end());
  const std::string known = narrow->name;
  for (EngineNode& node : graph.nodes) node.format = NumberFormat::kFloat32;
  choose_numbers(graph, {NumberFormat::kInt8, InputRanges{{known, InputRange{-1, 254}}}});
  for (const EngineNode& node : graph.nodes) {
    CHECK((node.format == NumberFormat::kInt8) == (node.name == known));
    if (node.name != known) continue;
    CHECK(node.bytes.step == 1);
    CHECK(node.bytes.zero == 1);
  }
}

TEST_CASE("the engine and an ONNX graph normalise pictures as their model does") {
  const torch::NoGradGuard no_grad;
  const std::string yaml = test::small_yaml("variant: v2", 2000);  // all tokens
  DetectionModel plain = prepared_model(yaml),
                 model = prepared_model("mean: [0.5, 0.25, 0.125]\nstd: [0.5, 2, 4]\n" + yaml);
  const ModelOutput expected = model->forward(engine_pictures(2));
  CHECK(prediction_difference(expected, plain->forward(engine_pictures(2))) > 10 * kEngineRounding);
  const auto engine = CpuEngine::prepare(*model, {64, 96});
  REQUIRE(engine);
  CHECK(prediction_difference(expected, engine->run(engine_pictures(2))) < kEngineRounding);
  const OnnxExport written = make_onnx_model(*model, {.size = {64, 96}, .outputs = OnnxOutputs::kRaw});
  const std::vector<std::string> wanted{written.logits, written.boxes, written.tokens};
  const OnnxValues found = OnnxEvaluator(written.model).run({{"images", engine_pictures(2)}}, wanted);
  ModelOutput read;
  read.layers.push_back({found.at(written.logits), found.at(written.boxes)});
  read.topk_indices = found.at(written.tokens);
  CHECK(prediction_difference(expected, read) < kEngineRounding);
}

TEST_CASE("there is no engine for a head that it does not know") {
  test::TwoLayerHead::offer();
  DetectionModel model = build_model(parse_model_spec(test::TwoLayerHead::kYaml, "two.yaml"));
  model->fuse();
  CHECK_FALSE(CpuEngine::prepare(*model, {64, 96}, {.take_weights = true}));
  for (const Tensor& parameter : model->parameters()) CHECK(parameter.numel() > 0);
}

TEST_CASE("pictures of another size than the engine's are refused") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = prepared_model(test::small_yaml("variant: v2"));
  const auto engine = CpuEngine::prepare(*model, {64, 64});
  REQUIRE(engine);
  CHECK_THROWS_AS(engine->run(engine_pictures(1)), InternalError);
}

}  // namespace rtdetr
