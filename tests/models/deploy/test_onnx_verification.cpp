#include "models/deploy/onnx_verification.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "core/base/error.h"
#include "core/onnx/onnx_file.h"
#include "models/graph/model_files.h"
#include "tests/support/fill.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {
namespace {

using Catch::Contains;

constexpr double kTolerance = 1e-3;

const char* kSmall =
    "nc: 3\n"
    "backbone:\n"
    "  - [-1, 1, ConvNorm, [16, 3, 8, relu]]\n"
    "  - [-1, 1, ConvNorm, [16, 3, 2, relu]]\n"
    "  - [-1, 1, nn.Identity, []]\n"
    "  - [-1, 1, ConvNorm, [16, 3, 2, relu]]\n"
    "head:\n"
    "  - [-1, 1, AIFI, [32, 4]]\n"
    "  - [[0, 1, 4], 1, RTDETRDecoder, [nc, {variant: v2, dim: 16, queries: 20, heads: 2, layers: 2, ffn: 24}], "
    "decoder]\n";

DetectionModel small_model() {
  at::set_num_threads(1);
  DetectionModel model = build_model(parse_model_spec(kSmall, "small.yaml"));
  test::fill_by_rule(*model);
  model->eval();
  return model;
}

/// The export of small_model().
OnnxExport exported(OnnxOutputs outputs = OnnxOutputs::kOfficial) {
  DetectionModel fused = small_model();
  fused->fuse();
  return make_onnx_model(*fused, {.size = {64, 96}, .outputs = outputs});
}

std::vector<Tensor> one_picture() { return {test::images_by_key("onnx", {1, 3, 64, 96}).to(torch::kFloat32)}; }

/// Adds 0.5 to every number of a constant.
void plant_fault(OnnxModel& model, const std::string& name) {
  for (OnnxTensor& tensor : model.graph.initializers) {
    if (tensor.name != name) continue;
    for (std::size_t at = 0; at < tensor.data.size(); at += sizeof(float)) {
      float number = 0;
      std::memcpy(&number, tensor.data.data() + at, sizeof number);
      number += 0.5F;
      std::memcpy(tensor.data.data() + at, &number, sizeof number);
    }
    return;
  }
  FAIL("there is no constant " + name);
}

}  // namespace

TEST_CASE("a written file is read back and computes what the model computes, whatever its outputs are") {
  const OnnxOutputs outputs = GENERATE(OnnxOutputs::kOfficial, OnnxOutputs::kRaw, OnnxOutputs::kUltralytics);
  const test::TemporaryFolder folder;
  OnnxExport written = exported(outputs);
  write_onnx(folder / "small.onnx", written.model);
  written.model = read_onnx(folder / "small.onnx");
  const OutputDifference difference = verify_onnx(small_model(), written, one_picture(), kTolerance, "");
  CHECK(difference.max_abs < 1e-5);
  CHECK(difference.max_abs > 0);
}

TEST_CASE("a fault in a written file is told with the first row that it reaches") {
  const auto [constant, row] =
      GENERATE(table<std::string, std::string>({{"0.ConvNorm/bias", "row 0 (ConvNorm)"},
                                                {"3.ConvNorm/weight", "row 3 (ConvNorm)"},
                                                {"4.AIFI/norm2/bias", "row 4 (AIFI)"},
                                                {"5.RTDETRDecoder/dec_score_head.1/bias", "row 5 (RTDETRDecoder)"}}));
  OnnxExport written = exported();
  INFO(constant);
  plant_fault(written.model, constant);
  try {
    verify_onnx(small_model(), written, one_picture(), kTolerance, "nothing was written");
    FAIL("the fault was not seen");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::kInternal);
    CHECK_THAT(error.what(), Contains("the difference begins in " + row + "; nothing was written"));
  }
}

TEST_CASE("a float16 file tells what rounding costs, and a fault in it is told with the first row that it reaches") {
  const test::TemporaryFolder folder;
  const auto in_float16 = [](double added) {
    DetectionModel fused = small_model();
    fused->fuse();
    const torch::NoGradGuard no_grad;
    for (auto& item : fused->named_parameters())
      if (item.key().find("model.4.norm2.bias") != std::string::npos) item.value().add_(added);
    return make_onnx_model(*fused, {.size = {64, 96}, .float_type = OnnxType::kFloat16});
  };
  OnnxExport written = in_float16(0);
  write_onnx(folder / "half.onnx", written.model);
  written.model = read_onnx(folder / "half.onnx");
  const RoundingCost cost = verify_float16_onnx(small_model(), written, one_picture(), kTolerance, "");
  CHECK(cost.queries == 20);
  CHECK(cost.mean() > 0);
  CHECK(cost.mean() < kFloat16Tolerance);
  const Prediction predicted = onnx_predictor(written, torch::kCPU)(one_picture().front());
  CHECK(predicted.logits.scalar_type() == torch::kFloat32);
  CHECK(predicted.boxes_cxcywh.sizes() == torch::IntArrayRef({1, 20, 4}));

  CHECK_THROWS_WITH(
      verify_float16_onnx(small_model(), in_float16(0.5), one_picture(), kTolerance, "nothing was written"),
      Contains("in float16") && Contains("begins in row 4 (AIFI); nothing was written"));
}

namespace {

/// small_model() in which a score head says the same of everything, as a picture without anything in it makes it do.
DetectionModel indifferent_model(const std::string& score_head) {
  DetectionModel model = small_model();
  const torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key().find(score_head + ".weight") != std::string::npos) item.value().zero_();
  return model;
}

OnnxExport exported(DetectionModel model, OnnxOutputs outputs) {
  model->fuse();
  return make_onnx_model(*model, {.size = {64, 96}, .outputs = outputs, .max_detections = 7});
}

}  // namespace

TEST_CASE("of tokens and of detections that score alike a file may take others than the model") {
  const auto [head, others] =
      GENERATE(table<std::string, bool>({{"enc_score_head", true}, {"dec_score_head.1", false}}));
  const OnnxOutputs outputs = GENERATE(OnnxOutputs::kOfficial, OnnxOutputs::kRaw, OnnxOutputs::kUltralytics);
  INFO(head);
  const OnnxExport written = exported(indifferent_model(head), outputs);
  DetectionModel model = indifferent_model(head);
  const Tensor input = one_picture().front();
  const auto found =
      OnnxEvaluator(written.model)
          .run(outputs == OnnxOutputs::kOfficial
                   ? OnnxValues{{"images", input}, {"orig_target_sizes", torch::ones({1, 2}, torch::kInt64)}}
                   : OnnxValues{{"images", input}},
               std::vector<std::string>{written.tokens});
  const Tensor of_file = std::get<0>(found.at(written.tokens).sort(1));
  CHECK(of_file.equal(ordered_output_of(model, input).tokens) != others);  // or the case would be none
  CHECK(verify_onnx(model, written, {input}, kTolerance, "").max_abs < 1e-5);
}

TEST_CASE("tokens that score less than those that the model selects are told as a fault of the head's row") {
  OnnxExport written = exported();
  for (OnnxNode& node : written.model.graph.nodes)
    if (node.name.ends_with("selection/TopK")) node.attributes["largest"] = std::int64_t{0};
  CHECK_THROWS_WITH(verify_onnx(small_model(), written, one_picture(), kTolerance, "nothing was written"),
                    Contains("differ from the model's by inf") && Contains("begins in row 5 (RTDETRDecoder)"));
}

TEST_CASE("detections that the head's prediction does not have are told as such") {
  OnnxExport written = exported();
  for (OnnxNode& node : written.model.graph.nodes) {
    if (node.outputs.front() == "labels") std::swap(node.inputs[0], node.inputs[1]);  // negative labels
  }
  CHECK_THROWS_WITH(verify_onnx(small_model(), written, one_picture(), kTolerance, "nothing was written"),
                    Contains("begins in the outputs"));
}

}  // namespace rtdetr
