// Every model file of configs/models: its size as published, and the same numbers after fusion and as an ONNX graph.
// RTDETR_FIXTURE names the model file here, e.g. rtdetr_r18vd.
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "core/base/error.h"
#include "models/deploy/engine/engine.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/output_comparison.h"
#include "models/deploy/size.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kFused = 1e-10, kFused32 = 1e-4;  // relative
constexpr double kOnnx = 1e-8, kOnnx32 = 1e-4;     // of logits and boxes
constexpr double kEngine = 1e-4;                   // of scores and boxes
constexpr double kHalfEngine = 0.02;               // on average

constexpr std::int64_t kSide = 160;  // 525 tokens for 300 queries
/// The CPU engine has no windows of a vision transformer and no deformable encoder.
const std::set<std::string> kWithoutEngine = {"dino-n", "dino_r50_4scale", "dino_vitdet_b", "vitdet_b_rtdetr"};
const std::set<std::string> kOurs = {"dino-n", "rtdetr-n"};  ///< nobody else has counted them

struct Size {
  std::int64_t parameters = 0;  ///< 80 classes
  std::int64_t deployed = 0;    ///< of the reference's own deployed model
  double gflops = 0;            ///< of that one at `pixels`², two per multiply-add; 0 = not known
  std::int64_t pixels = 640;
  double grain = 0.01;  ///< to which the figure is rounded
};

/// Two linear layers of three decoder layers, 256 inputs and a bias, 8 heads: an offset of two and a weight.
constexpr std::int64_t kSamplingPoint = std::int64_t{3} * 257 * 8 * 3;

/// rtdetrv2_r18vd with `points` sampling points instead of 12; 9 and 3 fewer are counted in state_dict_v2_r18vd_sp1,
/// sp3.
Size r18vd_with_points(const Size& r18vd, std::int64_t points) {
  const std::int64_t fewer = (12 - points) * kSamplingPoint;
  return {r18vd.parameters - fewer, r18vd.deployed - fewer, 0};
}

/// D-FINE's l and x as DEIM trains them: the backbone's BatchNorm, whose numbers dfine_state_dict_l and _x list among
/// the buffers, are parameters.
Size with_trained_norms(const Size& dfine, std::int64_t numbers) {
  return {dfine.parameters + numbers, dfine.deployed + numbers, dfine.gflops};
}

/// As counted by running the official code (v1 and v2 with the same points are equal), Ultralytics 8.4.190, D-FINE and
/// DEIMv2.
const std::map<std::string, Size>& published_sizes() {
  static const Size kR18{20184464, 19962512, 60.06}, kR34{31441668, 31219716, 92.08}, kR50m{36593772, 36371820, 99.18},
      kR50{42891372, 42074988, 133.13}, kR101{76556268, 74752236, 250.93}, kL{32925036, 32108652, 107.03},
      kX{67374188, 65570156, 226.32}, kH{125584348, 122399452, 475.54}, kDfineN{3782693, 3743431, 7.09},
      kDfineS{10321877, 10216755, 25.06}, kDfineM{19590064, 19227453, 56.50}, kDfineL{31244152, 30703459, 90.89},
      kDfineX{62621560, 61580899, 202.28};
  static const std::map<std::string, Size> kSizes{
      {"rtdetr_r18vd", kR18},
      {"rtdetr_r34vd", kR34},
      {"rtdetr_r50vd_m", kR50m},
      {"rtdetr_r50vd", kR50},
      {"rtdetr_r101vd", kR101},
      {"rtdetrv2_r18vd", kR18},
      {"rtdetrv2_r18vd_dsp", kR18},
      {"rtdetrv2_r18vd_sp1", r18vd_with_points(kR18, 3)},
      {"rtdetrv2_r18vd_sp2", r18vd_with_points(kR18, 6)},
      {"rtdetrv2_r18vd_sp3", r18vd_with_points(kR18, 9)},
      {"rtdetrv2_r34vd", kR34},
      {"rtdetrv2_r34vd_dsp", kR34},
      {"rtdetrv2_r50vd_m", kR50m},
      {"rtdetrv2_r50vd_m_dsp", kR50m},
      {"rtdetrv2_r50vd", kR50},
      {"rtdetrv2_r50vd_dsp", kR50},
      {"rtdetrv2_r101vd", kR101},
      {"rtdetrv2_hgnetv2_l", kL},
      {"rtdetrv2_hgnetv2_x", kX},
      {"rtdetrv2_hgnetv2_h", kH},
      {"rtdetr-l", {32970476, 32148140, 0}},
      {"rtdetr-x", {67467852, 65631836, 0}},
      {"rtdetr-resnet50", {42925132, 42099084, 0}},
      {"rtdetr-resnet101", {61917260, 61065100, 0}},
      {"yolov8-rtdetr", {9643868, 9639436, 0}},
      // detectron2's net and three levels; r50vd without its backbone, whose maps of 512 to 2048 channels are 256 here
      {"vitdet_b_rtdetr", {108029580, 107213196, 0}},
      {"yolov8", {3157200, 3151904, 8.74}},
      {"dfine-n", kDfineN},
      {"dfine-s", kDfineS},
      {"dfine-m", kDfineM},
      {"dfine-l", kDfineL},
      {"dfine-x", kDfineX},
      {"deim-n", kDfineN},
      {"deim-s", kDfineS},
      {"deim-m", kDfineM},
      {"deim-l", with_trained_norms(kDfineL, 45696)},
      {"deim-x", with_trained_norms(kDfineX, 93920)},
      {"dino_r50_4scale", {46893182, 46869630, 0}},  // GFLOPs: state_dict_r50_4scale
      // vitdet_b's net and three levels, dino_r50_4scale without its backbone; four 1x1 projections of 256 channels
      // instead of three of 512 to 2048 and one of 3x3, and 11 classes fewer
      {"dino_vitdet_b", {107388968, 107368232, 0}},
      {"deimv2-atto", {508985, 488975, 0.749, 320, 0.001}},
      {"deimv2-femto", {983945, 954535, 1.647, 416, 0.001}},
      {"deimv2-pico", {1539539, 1505213, 5.094, 640, 0.001}},
      {"deimv2-n", {3600421, 3561159, 6.797, 640, 0.001}},
  };
  return kSizes;
}

std::string current_model() {
  const char* name = std::getenv("RTDETR_FIXTURE");
  REQUIRE(name);
  return name;
}

/// Of a model whose coarsest map has stride 64 the next multiple of that.
ImageSize input_of(const DetectionModel& model) {
  const std::int64_t side = (kSide + model->stride() - 1) / model->stride() * model->stride();
  return {side, side};
}

Tensor images_of(const DetectionModel& model) {
  const ImageSize size = input_of(model);
  return images_by_key("images", {1, 3, size.height, size.width});
}

/// @param tokens  as ForwardOptions'
ModelOutput all_layers(DetectionModel& model, const Tensor& images, const Tensor& tokens = {}) {
  ForwardOptions options;
  options.all_layers = true;
  options.tokens = tokens;
  return model->forward(images, options);
}

/// Where the rows of `expected` stand in a prediction of these tokens: all in their order where none are selected.
Tensor rows_in(const Tensor& tokens, const ModelOutput& expected) {
  if (expected.topk_indices.defined()) return rows_of_tokens(tokens, expected.topk_indices);
  REQUIRE_FALSE(tokens.defined());
  const Tensor& logits = expected.layers.back().logits;
  return torch::arange(logits.size(1)).expand({logits.size(0), -1});
}

DetectionModel filled(const std::string& name, torch::Dtype type) {
  BuildOptions options;
  options.initial_weights = false;
  DetectionModel model = build_model(load_model_spec(name + ".yaml"), options);
  model->to(type);
  fill_by_rule(*model);
  if (type == torch::kFloat32) to_channels_last(*model);
  model->eval();
  return model;
}

/// Differences are measured against the largest value.
void check_fused_rows(const std::string& what, const Tensor& actual, const Tensor& expected, double limit,
                      bool discrete) {
  const Tensor scale = expected.abs().max();
  check_rows(what, actual / scale, expected / scale, limit, discrete);
}

/// Fuses the model and compares every layer's rows; in float32 they are put in the order of their tokens.
void check_fusion(DetectionModel& model, const Tensor& images, double limit) {
  const bool single = images.scalar_type() == torch::kFloat32;
  const ModelOutput before = all_layers(model, images);
  model->fuse();
  REQUIRE(model->fused());
  // Queries with a learnt part of their own have it by their rank: the order of the tokens must be the same.
  const Tensor order = model->head().has_learnt_queries() ? before.topk_indices : Tensor();
  const ModelOutput after = all_layers(model, images, order);
  const Tensor rows = rows_in(after.topk_indices, before);
  const std::string kind = single ? "fused float32 " : "fused ";
  const bool discrete = single && samples_discretely(current_model());
  REQUIRE(after.layers.size() == static_cast<std::size_t>(model->num_decoder_layers()));
  for (std::size_t k = 0; k < after.layers.size(); ++k) {  // fusing drops the layers that are not used
    const Prediction &b = before.layers[k], &a = after.layers[k];
    check_fused_rows(kind + "logits." + std::to_string(k), aligned(a.logits, rows, rows.size(1)), b.logits, limit,
                     discrete);
    check_fused_rows(kind + "boxes." + std::to_string(k), aligned(a.boxes_cxcywh, rows, rows.size(1)), b.boxes_cxcywh,
                     limit, discrete);
  }
}

/// Evaluates the fused model's ONNX graph, and compares its prediction with `output` in the order of its tokens; where
/// queries are learnt, with what the model makes of the graph's order.
void check_onnx(DetectionModel& model, const Tensor& images, ModelOutput output, double limit) {
  const bool single = images.scalar_type() == torch::kFloat32;
  const bool discrete = single && samples_discretely(current_model());
  const OnnxExport written = make_onnx_model(*model, {.size = input_of(model),
                                                      .outputs = OnnxOutputs::kRaw,
                                                      .float_type = single ? OnnxType::kFloat : OnnxType::kDouble});
  std::vector<std::string> wanted{written.logits, written.boxes};
  if (!written.tokens.empty()) wanted.push_back(written.tokens);
  const OnnxValues found = OnnxEvaluator(written.model).run({{"images", images}}, wanted);
  const Tensor tokens = written.tokens.empty() ? Tensor() : found.at(written.tokens);
  if (model->head().has_learnt_queries()) output = all_layers(model, images, tokens);
  const Tensor rows = rows_in(tokens, output);
  const std::string kind = single ? "onnx float32 " : "onnx ";
  check_rows(kind + "logits", aligned(found.at(written.logits), rows, rows.size(1)), output.layers.back().logits, limit,
             discrete);
  check_rows(kind + "boxes", aligned(found.at(written.boxes), rows, rows.size(1)), output.layers.back().boxes_cxcywh,
             limit, discrete);
}

/// Runs the fused model's engine, and compares its prediction with `output` in the order of its tokens.
void check_engine(DetectionModel& model, const Tensor& images, const ModelOutput& output, double limit) {
  const auto engine = CpuEngine::prepare(*model, input_of(model));
  REQUIRE(engine);
  const ModelOutput found = engine->run(images);
  const Tensor rows = rows_in(found.topk_indices, output);
  const Prediction &a = found.layers.back(), &b = output.layers.back();
  const bool discrete = samples_discretely(current_model());
  check_rows("engine scores", aligned(a.logits.sigmoid(), rows, rows.size(1)), b.logits.sigmoid(), limit, discrete);
  check_rows("engine boxes", aligned(a.boxes_cxcywh, rows, rows.size(1)), b.boxes_cxcywh, limit, discrete);
}

/// Queries of the same tokens on average, in bf16: one that is torn between two boxes may jump.
void check_half_engine(DetectionModel& model, const Tensor& images, const ModelOutput& output, double limit) {
  if (!can_multiply(NumberFormat::kBFloat16)) {
    WARN("this processor does not multiply such numbers: nothing was tried");
    return;
  }
  const auto engine = CpuEngine::prepare(*model, input_of(model), {.numbers = {NumberFormat::kBFloat16}});
  REQUIRE(engine);
  const ModelOutput half = engine->run(images);
  const RoundingCost cost = rounding_cost(ordered_output(output.layers.back(), output.topk_indices),
                                          ordered_output(half.layers.back(), half.topk_indices));
  check_number("engine in bf16, a query's mean difference", cost.mean(), 0, limit);
}

}  // namespace

TEST_CASE("a model is as large as published", "[zoo]") {
  if (kOurs.contains(current_model())) return;
  const auto found = published_sizes().find(current_model());
  REQUIRE(found != published_sizes().end());
  const Size& published = found->second;
  DetectionModel model = build_model(load_model_spec(current_model() + ".yaml"), {.shapes_only = true});
  check_none("parameters", std::abs(count_parameters(*model) - published.parameters));
  check_none("deployed parameters", std::abs(count_deployed_parameters(*model) - published.deployed));
  if (published.gflops == 0) return;
  model->fuse();
  const double gflops = count_gflops(model, published.pixels, published.pixels);
  check_number("GFLOPs", std::round(gflops / published.grain) * published.grain, published.gflops, 1e-12);
}

TEST_CASE("a fused model and its ONNX graph give the same", "[zoo]") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = filled(current_model(), torch::kFloat64);
  const Tensor images = images_of(model);
  check_fusion(model, images, kFused);
  check_onnx(model, images, model->forward(images), kOnnx);
}

TEST_CASE("a fused model, its ONNX graph and its CPU engine give the same in float32", "[zoo]") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = filled(current_model(), torch::kFloat32);
  const Tensor images = images_of(model).to(torch::kFloat32);
  check_fusion(model, images.contiguous(torch::MemoryFormat::ChannelsLast), kFused32);
  const ModelOutput output = model->forward(images);
  check_onnx(model, images, output, kOnnx32);
  if (kWithoutEngine.contains(current_model())) {
    CHECK_FALSE(CpuEngine::prepare(*model, input_of(model)));
    return;
  }
  check_engine(model, images, output, kEngine);
  check_half_engine(model, images, output, kHalfEngine);
}

}  // namespace rtdetr::test
