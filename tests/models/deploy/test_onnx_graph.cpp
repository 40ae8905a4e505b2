#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <set>

#include "core/base/error.h"
#include "core/onnx/onnx_file.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/output_comparison.h"
#include "models/graph/model_files.h"
#include "models/weights/checkpoint.h"
#include "tests/models/small_model.h"
#include "tests/support/fill.h"
#include "tests/support/rival_models.h"
#include "tests/support/two_layer_head.h"

namespace rtdetr {
namespace {

using Catch::Contains;
using test::replaced;
using test::small_yaml;

constexpr double kExact = 1e-10;       // of a float64 graph: the operators' own rounding
constexpr double kBlankTokens = 1e-9;  // of one with blank tokens, where a norm's epsilon counts, a float32 in its node
constexpr double kFloat32 = 2e-5;

DetectionModel fused_model(const std::string& yaml, torch::ScalarType type) {
  at::set_num_threads(1);
  DetectionModel model = build_model(parse_model_spec(yaml, "small.yaml"));
  test::fill_by_rule(*model);
  model->to(type);
  model->fuse();
  return model;
}

Tensor pictures(std::int64_t batch, torch::ScalarType type, const ImageSize& size = {64, 96}) {
  return test::images_by_key("onnx", {batch, 3, size.height, size.width}).to(type);
}

OnnxExportOptions options_of(OnnxOutputs outputs, torch::ScalarType type = torch::kFloat32) {
  OnnxExportOptions options{.size = {64, 96}, .outputs = outputs};
  if (type == torch::kFloat64) options.float_type = OnnxType::kDouble;
  return options;
}

OnnxValues evaluate(const OnnxModel& model, const Tensor& images, const Tensor& sizes = {}) {
  OnnxValues inputs{{"images", images}};
  if (sizes.defined()) inputs["orig_target_sizes"] = sizes;
  return OnnxEvaluator(model).run(inputs);
}

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a - b).abs().max().item<double>();
}

/// The graph of batches of one and two against the model.
void check_graph(const std::string& yaml, torch::ScalarType type, bool grid_sample) {
  INFO(yaml << " in " << torch::toString(type) << (grid_sample ? " with GridSample" : ""));
  const torch::NoGradGuard no_grad;
  DetectionModel model = fused_model(yaml, type);
  OnnxExportOptions options = options_of(OnnxOutputs::kRaw, type);
  options.grid_sample = grid_sample;
  const OnnxModel graph = make_onnx_model(*model, options).model;
  for (const std::int64_t batch : {1, 2}) {
    const Prediction expected = model->forward(pictures(batch, type)).layers.back();
    const OnnxValues found = evaluate(graph, pictures(batch, type));
    const double limit = type == torch::kFloat64 ? kExact : kFloat32;
    CHECK(difference(found.at("logits"), expected.logits) < limit);
    CHECK(difference(found.at("pred_boxes"), expected.boxes_cxcywh) < limit);
  }
}

}  // namespace

TEST_CASE("a graph computes what every kind of decoder computes, for any batch") {
  const std::string decoder =
      GENERATE("variant: v2", "variant: v1", "variant: ultralytics", "variant: v1, eval_idx: 1",
               "variant: v2, points: [3, 1, 2]", "variant: ultralytics, points: 3", "variant: v2, points: [4, 2, 2, 1]",
               "variant: v2, select: one2many", "variant: v2, learnt_init_query: true", "variant: v2, two_stage: false",
               "variant: ultralytics, act: gelu", "variant: v2, anchors: fixed", "variant: v2, sampling: discrete",
               "variant: v2, sampling: discrete, discrete_clamp: fixed");
  check_graph(small_yaml(decoder), GENERATE(torch::kFloat64, torch::kFloat32), GENERATE(false, true));
}

TEST_CASE("a graph of free height and width computes what the model computes, at every size") {
  const std::string decoder =
      GENERATE("variant: v2", "variant: v1", "variant: ultralytics", "variant: v2, points: [3, 1, 2]",
               "variant: v2, points: [4, 2, 2, 1, 1, 1]", "variant: v2, select: one2many",
               "variant: v2, learnt_init_query: true", "variant: v2, two_stage: false", "variant: v2, anchors: fixed",
               "variant: v2, sampling: discrete", "variant: v2, sampling: discrete, discrete_clamp: fixed");
  const auto type = GENERATE(torch::kFloat64, torch::kFloat32);
  const bool grid_sample = GENERATE(false, true);
  INFO(decoder << " in " << torch::toString(type) << (grid_sample ? " with GridSample" : ""));
  const torch::NoGradGuard no_grad;
  DetectionModel model = fused_model(small_yaml(decoder), type);
  OnnxExportOptions options = options_of(OnnxOutputs::kRaw, type);
  options.grid_sample = grid_sample;
  options.free_size = true;
  const OnnxModel graph = make_onnx_model(*model, options).model;
  // Of 800 pixels a map has 50 cells, whose first is centred exactly on the official border.
  for (const ImageSize& size : {ImageSize{64, 96}, ImageSize{96, 64}, ImageSize{32, 800}, ImageSize{832, 32}}) {
    const Tensor images = pictures(2, type, size);
    const Prediction expected = model->forward(images).layers.back();
    const OnnxValues found = evaluate(graph, images);
    const double limit = type == torch::kFloat64 ? kBlankTokens : kFloat32;
    CHECK(difference(found.at("logits"), expected.logits) < limit);
    CHECK(difference(found.at("pred_boxes"), expected.boxes_cxcywh) < limit);
  }
}

TEST_CASE("a graph of free height and width names its axes, and refuses a picture of too few cells") {
  DetectionModel model = fused_model(small_yaml("variant: v2", 50), torch::kFloat32);
  OnnxExportOptions options = options_of(OnnxOutputs::kOfficial);
  options.free_size = true;
  const OnnxModel graph = make_onnx_model(*model, options).model;
  const std::vector<OnnxDimension> picture{"N", std::int64_t{3}, "height", "width"}, labels{"N", std::int64_t{150}};
  CHECK((graph.graph.inputs.front().dims == picture));
  CHECK((graph.graph.outputs.front().dims == labels));
  const Tensor sides = torch::full({1, 2}, 64, torch::kInt64);
  CHECK(evaluate(graph, pictures(1, torch::kFloat32, {64, 64}), sides).at("labels").size(1) == 150);
  CHECK_THROWS_WITH(evaluate(graph, pictures(1, torch::kFloat32, {32, 64}), sides),
                    Contains("selection/TopK") && Contains("K must be one number up to the axis"));
}

TEST_CASE("a float16 graph computes the same to that type's precision, its boxes in float32") {
  const std::string decoder = GENERATE("variant: v2", "variant: v1", "variant: v2, points: [3, 1, 2]");
  const bool grid_sample = GENERATE(false, true);
  constexpr int kAllTokens = 126;  // are selected, so that rounding cannot choose among them
  const torch::NoGradGuard no_grad;
  DetectionModel model = fused_model(small_yaml(decoder, kAllTokens), torch::kFloat32);
  OnnxExportOptions options = options_of(OnnxOutputs::kRaw);
  options.float_type = OnnxType::kFloat16;
  options.grid_sample = grid_sample;
  const OnnxExport written = make_onnx_model(*model, options);
  std::set<OnnxType> of_weights, of_anchors;
  for (const OnnxTensor& tensor : written.model.graph.initializers) {
    if (tensor.name.ends_with("weight")) of_weights.insert(tensor.type);
    if (tensor.name.ends_with("anchors/side")) of_anchors.insert(tensor.type);
  }
  CHECK((of_weights == std::set{OnnxType::kFloat16} && of_anchors == std::set{OnnxType::kFloat}));
  const Tensor images = pictures(2, torch::kFloat32);
  const std::vector<std::string> wanted{written.logits, written.boxes, written.tokens};
  const OnnxValues found = OnnxEvaluator(written.model).run({{"images", images}}, wanted);
  const ModelOutput output = model->forward(images);
  const OrderedOutput expected = ordered_output(output.layers.back(), output.topk_indices);
  const OrderedOutput half =
      ordered_output({found.at(written.logits), found.at(written.boxes)}, found.at(written.tokens));
  REQUIRE(half.tokens.equal(expected.tokens));
  CHECK(half.boxes.scalar_type() == torch::kFloat32);
  CHECK(difference(half.scores, expected.scores) < 3e-3);
  CHECK(difference(half.boxes, expected.boxes) < 3e-3);
}

TEST_CASE("the official outputs are the detections, in pixels of each picture") {
  DetectionModel model = fused_model(small_yaml("variant: v2"), torch::kFloat64);
  const Tensor images = pictures(2, torch::kFloat64);
  const std::vector<PictureSize> sizes{{640, 480}, {33, 500}};
  const torch::NoGradGuard no_grad;
  const auto expected = model->head().postprocess(model->forward(images).layers.back(), sizes, {});
  const OnnxModel graph = make_onnx_model(*model, options_of(OnnxOutputs::kOfficial, torch::kFloat64)).model;
  const OnnxValues found = evaluate(graph, images, torch::tensor({640, 480, 33, 500}, torch::kInt64).view({2, 2}));
  CHECK(graph.graph.outputs.size() == 3);
  CHECK(found.at("labels").sizes() == torch::IntArrayRef({2, 60}));  // 20 queries of 3 classes
  for (std::int64_t b = 0; b < 2; ++b) {
    const Detections& wanted = expected[static_cast<std::size_t>(b)];
    CHECK(torch::equal(found.at("labels")[b], wanted.labels));
    CHECK(difference(found.at("scores")[b], wanted.scores) < kExact);
    CHECK(difference(found.at("boxes")[b], wanted.boxes_xyxy) < 1e-7);  // pixels
  }
}

TEST_CASE("Ultralytics' output is a table of boxes in fractions, scores and classes") {
  DetectionModel model = fused_model(small_yaml("variant: ultralytics"), torch::kFloat64);
  const Tensor images = pictures(2, torch::kFloat64);
  const torch::NoGradGuard no_grad;
  OnnxExportOptions options = options_of(OnnxOutputs::kUltralytics, torch::kFloat64);
  options.max_detections = 7;
  const Tensor table = evaluate(make_onnx_model(*model, options).model, images).at("output0");
  CHECK(table.sizes() == torch::IntArrayRef({2, 7, 6}));
  const std::vector<PictureSize> unit{{1, 1}, {1, 1}};
  const auto expected = model->head().postprocess(model->forward(images).layers.back(), unit, {.max_detections = 7});
  for (std::int64_t b = 0; b < 2; ++b) {
    const Detections& wanted = expected[static_cast<std::size_t>(b)];
    CHECK(difference(table[b].select(1, 4), wanted.scores) < kExact);
    CHECK(difference(table[b].select(1, 5), wanted.labels.to(torch::kFloat64)) == 0);
    const Tensor corners = wanted.boxes_xyxy;
    const Tensor centre = (corners.slice(1, 0, 2) + corners.slice(1, 2, 4)) / 2;
    const Tensor sides = corners.slice(1, 2, 4) - corners.slice(1, 0, 2);
    CHECK(difference(table[b].slice(1, 0, 4), torch::cat({centre, sides}, 1)) < kExact);
  }
}

TEST_CASE(
    "a graph has only what engines take: no Where, no Einsum, the batch as 0 or -1, finite constants, K as a "
    "constant") {
  const std::string decoder = GENERATE("variant: v1", "variant: v2, sampling: discrete");
  const bool free_size = GENERATE(false, true);
  const DetectionModel model = fused_model(small_yaml(decoder), torch::kFloat32);
  OnnxExportOptions options = options_of(OnnxOutputs::kOfficial);
  options.free_size = free_size;
  const OnnxGraph graph = make_onnx_model(*model, options).model.graph;
  std::map<std::string, const OnnxTensor*> constants;
  for (const OnnxTensor& tensor : graph.initializers) {
    constants[tensor.name] = &tensor;
    CHECK((tensor.type == OnnxType::kFloat || tensor.type == OnnxType::kInt64));
  }
  const std::set<std::string> refused{"Where", "Einsum", "GridSample", "Gemm", "Expand", "Tile", "Mod", "NonZero"};
  for (const OnnxNode& node : graph.nodes) {
    INFO(node.name);
    CHECK_FALSE(refused.contains(node.op));
    CHECK(std::isdigit(static_cast<unsigned char>(node.name.front())) != node.name.starts_with("outputs/"));
    if (node.op == "TopK" || (node.op == "Reshape" && !free_size) || node.op == "Unsqueeze" || node.op == "Split")
      CHECK(constants.contains(node.inputs.at(1)));
    if (node.op == "Unsqueeze") CHECK(constants.at(node.inputs[1])->dims == std::vector<std::int64_t>{1});
  }
  for (const auto* list : {&graph.inputs, &graph.outputs})
    for (const OnnxValueInfo& value : *list) CHECK(std::get<std::string>(value.dims.front()) == "N");
}

TEST_CASE("a graph has no constant that nothing reads, and beyond its weights no more than two per cent") {
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"rtdetr-n", "dfine-n", "yolov8n"}) {
    INFO(name);
    DetectionModel model = build_model(load_model_spec(name));
    test::fill_by_rule(*model);  // equal constants are written once, as new layers' are
    model->fuse();
    double weights = 0;
    for (const Tensor& parameter : model->parameters()) weights += static_cast<double>(parameter.nbytes());
    const OnnxModel written = make_onnx_model(*model, {.size = {640, 640}, .outputs = OnnxOutputs::kUltralytics}).model;
    double bytes = 0;
    stream_onnx(written, [&](std::string_view piece) { bytes += static_cast<double>(piece.size()); });
    CHECK(bytes < 1.02 * weights);
    std::set<std::string> read;
    for (const OnnxNode& node : written.graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    for (const OnnxTensor& constant : written.graph.initializers) CHECK(read.contains(constant.name));
  }
}

TEST_CASE("a size that the model does not take is no graph's either") {
  const DetectionModel model = fused_model(small_yaml("variant: v2"), torch::kFloat32);
  const auto size = GENERATE(ImageSize{64, 80}, ImageSize{80, 64}, ImageSize{0, 64});
  const OnnxExportOptions options{.size = size};
  CHECK_THROWS_WITH(make_onnx_model(*model, options), Contains("with H and W multiples of 32, found [-1, 3, "));
  CHECK_THROWS_AS(make_onnx_model(*model, options), ConfigError);
}

TEST_CASE("a graph computes what DINO and a plain vision transformer compute, for any batch") {
  const std::string yaml =
      GENERATE(test::small_dino(test::kTinyRival), test::small_vit(test::kTinyRival),
               replaced(test::small_vit(test::kTinyRival), "window: 7", "window: 4, residual: [0]"),
               replaced(test::small_vit(test::kTinyRival), "PyramidLevel, [64, 2]", "PyramidLevel, [64, 4]"),
               replaced(test::small_dino(test::kTinyRival), "learnt_queries: true", "two_stage: false"),
               small_yaml("variant: dfine, two_stage: false"), small_yaml("variant: deimv2, two_stage: false"),
               small_yaml("variant: v2, encoder_layers: 1, encoder_ffn: 24, output_norm: true, reference_eps: 0.001"));
  check_graph(yaml, GENERATE(torch::kFloat64, torch::kFloat32), GENERATE(false, true));
}

TEST_CASE("a graph of free height and width is refused where a table of positions belongs to one size") {
  const auto [yaml, row] = GENERATE(table<std::string, std::string>(
      {{test::small_dino(test::kTinyRival), "RTDETRDecoder"},
       {test::small_vit(test::kTinyRival), "ViT"},
       {small_yaml("variant: v2, encoder_layers: 1, encoder_ffn: 24"), "RTDETRDecoder"}}));
  const DetectionModel model = fused_model(yaml, torch::kFloat32);
  OnnxExportOptions options = options_of(OnnxOutputs::kRaw);
  options.free_size = true;
  CHECK_THROWS_WITH(make_onnx_model(*model, options), Contains(row) && Contains("free height and width"));
}

TEST_CASE("a head without an ONNX form is refused by its row") {
  test::TwoLayerHead::offer();
  DetectionModel model = build_model(parse_model_spec(test::TwoLayerHead::kYaml, "two.yaml"));
  model->fuse();
  CHECK_THROWS_WITH(make_onnx_model(*model, options_of(OnnxOutputs::kRaw)),
                    Contains("two.yaml:5") && Contains("TwoLayerHead") && Contains("has no ONNX form"));
}

}  // namespace rtdetr
