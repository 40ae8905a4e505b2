#include "models/heads/yolo/detect.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "core/image/image_size.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/onnx_verification.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"

namespace rtdetr {
namespace {

/// Maps of strides 8 and 16.
std::string detect_yaml(const std::string& from, const std::string& options) {
  return "nc: 3\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [8, 3, 2]]\n"
         "  - [-1, 1, Conv, [8, 3, 2]]\nhead:\n  - [" +
         from + ", 1, Detect, [nc" + options + "]]\n";
}

DetectionModel detect_model(const std::string& options = "", const BuildOptions& build = {}) {
  return build_model(parse_model_spec(detect_yaml("[2, 3]", options), "tiny.yaml"), build);
}

const DetectOptions& options_of(const DetectionModel& model) {
  return dynamic_cast<const DetectImpl&>(model->head()).options();
}

/// One picture: two boxes of class 0 that overlap, the first of class 1, too; and one that leaves the picture.
Prediction four_cells() {
  const Tensor boxes = torch::tensor(
      {{{0.5, 0.5, 0.4, 0.4}, {0.51, 0.5, 0.4, 0.4}, {0.95, 0.5, 0.2, 0.2}, {0.1, 0.1, 0.1, 0.1}}}, torch::kFloat);
  const Tensor logits =
      torch::tensor({{{2., 1., -9.}, {3., -9., -9.}, {-9., -9., 0.5}, {-9., -9., -9.}}}, torch::kFloat);
  return {logits, boxes};
}

const std::vector<PictureSize> kPicture{{200, 100}};

TEST_CASE("detections of cells are what suppression leaves, best first, in pixels of the picture") {
  const DetectionModel model = detect_model();
  const Detections found = model->head().postprocess(four_cells(), kPicture, {}).at(0);
  CHECK(found.labels.equal(torch::tensor({0, 1, 2}, torch::kInt64)));
  CHECK(torch::allclose(found.scores, torch::tensor({3., 1., 0.5}, torch::kFloat).sigmoid()));
  const Tensor boxes =
      torch::tensor({{62., 30., 142., 70.}, {60., 30., 140., 70.}, {170., 40., 210., 60.}}, torch::kFloat);
  CHECK(torch::allclose(found.boxes_xyxy, boxes, 0, 1e-4));
  const Detections inside = model->head().postprocess(four_cells(), kPicture, {.clip = true}).at(0);
  CHECK(inside.boxes_xyxy[2][2].item<float>() == 200);
}

TEST_CASE("the fewer of max_det and the caller's detections are kept, and all classes suppress each other if told") {
  const DetectionModel two = detect_model(", {max_det: 2}");
  CHECK(two->head().postprocess(four_cells(), kPicture, {}).at(0).scores.size(0) == 2);
  CHECK(two->head().postprocess(four_cells(), kPicture, {.max_detections = 1}).at(0).scores.size(0) == 1);
  const DetectionModel all = detect_model(", {nms: all}");
  const Tensor labels = all->head().postprocess(four_cells(), kPicture, {}).at(0).labels;
  CHECK(labels.equal(torch::tensor({0, 2}, torch::kInt64)));
}

TEST_CASE("a caller's choice of suppression comes before the model file's") {
  const auto labels = [](const std::string& options, const SuppressionChoice& choice) {
    const DetectionModel model = detect_model(options);
    return model->head().postprocess(four_cells(), kPicture, {.suppression = choice}).at(0).labels;
  };
  const Tensor none_goes = torch::tensor({0, 0, 1, 2}, torch::kInt64), of_all = torch::tensor({0, 2}, torch::kInt64);
  CHECK(labels("", {.iou = 1}).equal(none_goes));
  CHECK(labels(", {iou: 0.99}", {.iou = 0.7}).equal(labels("", {})));
  CHECK(labels("", {.across_classes = true}).equal(of_all));
  CHECK(labels(", {nms: all}", {.across_classes = true}).equal(of_all));
  CHECK(labels(", {nms: all}", {.across_classes = false}).equal(labels("", {})));
}

TEST_CASE("without max_det as many detections are kept as the caller asks for") {
  const Tensor places = (torch::arange(20, torch::kFloat) + 0.5) / 20;
  const std::vector<Tensor> grid = torch::meshgrid({places, places}, "ij");
  const Tensor side = torch::full({20, 20}, 0.02);  // apart from each other
  const Tensor boxes = torch::stack({grid[1], grid[0], side, side}, -1).view({1, 400, 4});
  const Prediction cells{torch::tensor({1., -9., -9.}, torch::kFloat).expand({1, 400, 3}), boxes};
  const auto count = [&](const std::string& options, std::int64_t most) {
    const DetectionModel model = detect_model(options);
    return model->head().postprocess(cells, kPicture, {.max_detections = most}).at(0).scores.size(0);
  };
  CHECK(count("", 300) == 300);
  CHECK(count("", 1000) == 400);
  CHECK(count(", {max_det: 350}", 1000) == 350);
}

TEST_CASE("above the caller's smallest score the same detections are found, and below it none are looked for") {
  const DetectionModel model = detect_model();
  const std::vector<Tensor> draws = torch::rand({1, 500, 7}, torch::kFloat).split_with_sizes({4, 3}, 2);
  const Prediction cells{8 * draws[1] - 8, torch::cat({draws[0].slice(2, 0, 2), 0.3 * draws[0].slice(2, 2, 4)}, 2)};
  const Detections all = model->head().postprocess(cells, kPicture, {.max_detections = 1000}).at(0);
  const Detections best = model->head().postprocess(cells, kPicture, {.max_detections = 1000, .min_score = 0.25}).at(0);
  const std::int64_t above = (all.scores >= 0.25).sum().item<std::int64_t>();
  REQUIRE(above > 50);
  REQUIRE(above < all.scores.size(0) - 50);
  REQUIRE((best.scores >= 0.25).sum().item<std::int64_t>() == above);
  CHECK(best.scores.size(0) < above + 5);
  CHECK(best.boxes_xyxy.slice(0, 0, above).equal(all.boxes_xyxy.slice(0, 0, above)));
  CHECK(best.labels.slice(0, 0, above).equal(all.labels.slice(0, 0, above)));
  CHECK(model->head().postprocess(cells, kPicture, {.min_score = 1}).at(0).scores.numel() == 0);
}

TEST_CASE("a batch of no picture has no detections") {
  const Prediction none{torch::zeros({0, 4, 3}), torch::zeros({0, 4, 4})};
  CHECK(detect_model()->head().postprocess(none, {}, {}).empty());
}

TEST_CASE("the last row says how detections are suppressed and anchors assigned") {
  const DetectOptions& o =
      options_of(detect_model(", {reg_max: 8, iou: 0.5, nms_offset: ultralytics, small_boxes: 0}"));
  CHECK(o.bins == 8);
  CHECK(o.suppression.iou == 0.5);
  CHECK(o.suppression.rivals == SuppressionOptions::Rivals::kShiftedClass);
  CHECK(o.assignment.least_side == 0);
  CHECK(o.assignment.topk == 10);
  CHECK(options_of(detect_model()).suppression.rivals == SuppressionOptions::Rivals::kOwnClass);
}

TEST_CASE("a picture gives a box and scores for every cell of every map") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = detect_model();
  const ModelOutput output = model->forward(torch::rand({2, 3, 64, 96}));
  REQUIRE(output.layers.size() == 1);
  const std::int64_t cells = 8 * 12 + 4 * 6;
  CHECK(output.layers[0].logits.sizes() == at::IntArrayRef({2, cells, 3}));
  CHECK(output.layers[0].boxes_cxcywh.sizes() == at::IntArrayRef({2, cells, 4}));
  CHECK_FALSE(output.topk_indices.defined());
}

TEST_CASE("what a head without decoder and queries does not have is refused by name") {
  DetectionModel model = detect_model();
  CHECK_THROWS_WITH(model->forward(torch::rand({1, 3, 32, 32}), {.decoder_layers = 2}),
                    Catch::Contains("decoder_layers=2") && Catch::Contains("Detect"));
  BuildOptions queries, layers;
  queries.num_queries = 100;
  layers.decoder_layers = 1;
  CHECK_THROWS_WITH(detect_model("", queries), Catch::Contains("num_queries=") && Catch::Contains("Detect"));
  CHECK_THROWS_WITH(detect_model("", layers), Catch::Contains("decoder_layers=") && Catch::Contains("Detect"));
  CHECK_THROWS_WITH(parse_model_spec(detect_yaml("[3, 2]", ""), "tiny.yaml"),
                    Catch::Contains("from the finest to the coarsest"));
}

TEST_CASE("a graph with outputs that would need suppression is not written") {
  DetectionModel model = detect_model();
  model->fuse();
  CHECK_THROWS_WITH(make_onnx_model(*model, {.size = {64, 64}}),
                    Catch::Contains("outputs=raw") && Catch::Contains("outputs=ultralytics"));
  CHECK(make_onnx_model(*model, {.size = {64, 64}, .outputs = OnnxOutputs::kRaw}).tokens.empty());
}

TEST_CASE("a graph's output0 has boxes in pixels and scores of every cell, at one size and at any") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = detect_model();
  model->fuse();
  model->eval();
  const OnnxExportOptions fixed{
      .size = {64, 96}, .outputs = OnnxOutputs::kUltralytics, .float_type = OnnxType::kDouble};
  OnnxExportOptions free = fixed;
  free.free_size = true;
  const OnnxModel of_one_size = make_onnx_model(*model, fixed).model, of_any = make_onnx_model(*model, free).model;
  model->to(torch::kDouble);
  const auto check = [&](const OnnxModel& written, std::int64_t height, std::int64_t width) {
    INFO(height << "x" << width);
    const Tensor images = torch::rand({2, 3, height, width}, torch::kDouble);
    const Tensor table = OnnxEvaluator(written, {.floats = torch::kFloat64}).run({{"images", images}}).at("output0");
    const Prediction own = model->forward(images).layers.back();
    const Tensor sides = torch::tensor({width, height, width, height}, torch::kDouble);
    const Tensor expected = torch::cat({own.boxes_cxcywh * sides, own.logits.sigmoid()}, -1).transpose(1, 2);
    CHECK(table.sizes() == at::IntArrayRef({2, 4 + 3, height * width / 64 + height * width / 256}));
    CHECK(torch::allclose(table, expected, 1e-10, 1e-10));
  };
  check(of_one_size, 64, 96);
  check(of_any, 64, 96);
  check(of_any, 128, 32);
}

TEST_CASE("a table of columns whose boxes or scores are others does not verify") {
  const auto export_of = [](DetectionModel model) {
    model->fuse();
    return make_onnx_model(*model, {.size = {64, 64}, .outputs = OnnxOutputs::kUltralytics});
  };
  const std::vector<Tensor> inputs = {torch::rand({1, 3, 64, 64})};
  const OnnxExport written = export_of(detect_model());
  CHECK(verify_onnx(detect_model(), written, inputs, 1e-5, "nothing was written").max_abs < 1e-5);
  OnnxExport bare = written;  // logits in the place of scores
  for (OnnxNode& node : bare.model.graph.nodes)
    if (node.op == "Sigmoid" && node.name.starts_with("outputs")) node.op = "Relu";
  CHECK_THROWS_WITH(verify_onnx(detect_model(), bare, inputs, 1e-5, "nothing was written"),
                    Catch::Contains("the difference begins in the outputs"));
}

}  // namespace
}  // namespace rtdetr
