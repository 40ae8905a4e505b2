#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/layers/block.h"
#include "models/layers/conv.h"
#include "models/onnx/onnx_ops.h"
#include "tests/models/every_row.h"
#include "tests/support/fill.h"

namespace rtdetr {
namespace {

using Catch::Contains;

constexpr double kExact = 1e-8;  // an epsilon and a slope are float32 in a node, whatever the graph computes in

/// A model whose row 1 is `row`, fused, in float64 and filled by the fixtures' rule.
DetectionModel model_with(const std::string& row) {
  at::set_num_threads(1);
  const std::string text = "nc: 3\nbackbone:\n  - [-1, 1, ConvNorm, [8, 3, 4, relu]]\n  - " + row +
                           "\nhead:\n  - [[1], 1, RTDETRDecoder, [nc, {dim: 8, queries: 4, heads: 2, layers: 1}]]\n";
  DetectionModel model = build_model(parse_model_spec(text, "row.yaml"));
  model->to(torch::kFloat64);
  test::fill_by_rule(*model);
  model->fuse();
  return model;
}

Block& row_one(DetectionModel& model) {
  return dynamic_cast<Block&>(*model->named_children()["model"]->named_children()["1"]);
}

Tensor evaluated(OnnxBuilder& builder, const OnnxValue& result, const Tensor& x) {
  builder.output(result, "y");
  OnnxModel written;
  written.graph = builder.finish("row");
  return OnnxEvaluator(written, {.floats = torch::kFloat64}).run({{"x", x}}).at("y");
}

}  // namespace

TEST_CASE("every module that a row can name writes what it computes, for any batch", "[onnx]") {
  const std::string row = GENERATE(from_range(test::every_row()));
  INFO(row);
  const torch::NoGradGuard no_grad;
  DetectionModel model = model_with(row);
  Block& block = row_one(model);
  const std::size_t inputs = row.starts_with("[[") ? 2 : 1;

  OnnxBuilder builder(OnnxType::kDouble);
  const OnnxValue x = builder.input("x", {OnnxValue::kBatch, 8, 6, 10}, OnnxType::kDouble);
  const OnnxValue y = block.emit_all(builder, std::vector<OnnxValue>(inputs, x));
  const Tensor pictures = test::images_by_key("rows", {2, 8, 6, 10}) - 0.5;
  const Tensor expected = block.forward_all(std::vector<Tensor>(inputs, pictures.clone()));
  const Tensor found = evaluated(builder, y, pictures);

  REQUIRE(found.sizes() == expected.sizes());
  CHECK((found - expected).abs().max().item<double>() < kExact);
  CHECK(torch::IntArrayRef(y.shape).slice(1) == expected.sizes().slice(1));
  CHECK(y.shape.front() == OnnxValue::kBatch);
}

TEST_CASE("every module that a row can name writes what it computes, for any height and width", "[onnx]") {
  const std::string row = GENERATE(from_range(test::every_row()));
  INFO(row);
  const torch::NoGradGuard no_grad;
  DetectionModel model = model_with(row);
  Block& block = row_one(model);
  const std::size_t inputs = row.starts_with("[[") ? 2 : 1;

  OnnxBuilder builder(OnnxType::kDouble);
  const OnnxValue x = builder.input("x", {OnnxValue::kBatch, 8, OnnxValue::kFree, OnnxValue::kFree}, OnnxType::kDouble);
  const OnnxValue y = block.emit_all(builder, std::vector<OnnxValue>(inputs, x));
  CHECK(y.size(2) == OnnxValue::kFree);
  CHECK(y.size(3) == OnnxValue::kFree);
  builder.output(x, "z");  // and not y, whose sizes have no names
  OnnxModel written;
  written.graph = builder.finish("row");
  const std::vector<std::string> wanted{y.name == "x" ? "z" : y.name};
  const OnnxEvaluator evaluator(written, {.floats = torch::kFloat64});
  for (const auto& [height, width] : std::vector<std::pair<std::int64_t, std::int64_t>>{{6, 10}, {10, 6}, {4, 4}}) {
    const Tensor pictures = test::images_by_key("rows", {2, 8, height, width}) - 0.5;
    const Tensor expected = block.forward_all(std::vector<Tensor>(inputs, pictures.clone()));
    const Tensor found = evaluator.run({{"x", pictures}}, wanted).at(wanted.front());
    REQUIRE(found.sizes() == expected.sizes());
    CHECK((found - expected).abs().max().item<double>() < kExact);
  }
}

TEST_CASE("a learnt scale and bias behind an activation are written for every sign of the scale", "[onnx]") {
  const double scale = GENERATE(-0.75, 0.0, 1.25);
  const auto activation = GENERATE(Activation::kRelu, Activation::kSilu);
  INFO(scale);
  const torch::NoGradGuard no_grad;
  ConvNormActOptions options = conv_unit(8, 6, 3, 1, activation, {});
  options.affine = true;
  ConvNormAct unit(options);
  unit->to(torch::kFloat64);
  test::fill_by_rule(*unit);
  unit->eval();
  auto parameters = unit->named_parameters();
  parameters["lab.scale"].fill_(scale);
  parameters["lab.bias"].fill_(-0.3);

  OnnxBuilder builder(OnnxType::kDouble);
  const OnnxValue x = builder.input("x", {OnnxValue::kBatch, 8, 6, 10}, OnnxType::kDouble);
  const OnnxValue y = unit->emit(builder, x);
  const Tensor pictures = test::images_by_key("affine", {2, 8, 6, 10}) - 0.5;
  const Tensor difference = evaluated(builder, y, pictures) - unit->forward(pictures);
  CHECK(difference.abs().max().item<double>() < kExact);
}

TEST_CASE("equal constants are one, and names are given once", "[onnx]") {
  OnnxBuilder builder;
  OnnxValue x = builder.input("x", {OnnxValue::kBatch, 2}, OnnxType::kFloat);
  for (const char* part : {"a", "a", "b"}) {
    const OnnxBuilder::Scope scope = builder.within(part);
    x = onnx::add(builder, x, builder.constant("bias", torch::tensor({1.0, 2.0})));
    x = onnx::mul(builder, x, builder.number(2));
  }
  builder.output(x, "y");
  builder.output(x, "z");
  const OnnxGraph graph = builder.finish("sums");

  std::vector<std::string> nodes;
  for (const OnnxNode& node : graph.nodes) nodes.push_back(node.name);
  CHECK(nodes == std::vector<std::string>{"a/Add", "a/Mul", "a/Add_2", "a/Mul_2", "b/Add", "b/Mul", "Identity"});
  REQUIRE(graph.initializers.size() == 2);
  CHECK(graph.initializers[0].name == "a/bias");
  CHECK(graph.nodes[5].outputs == std::vector<std::string>{"y"});
  CHECK(graph.nodes[6].inputs == std::vector<std::string>{"y"});
  CHECK(graph.nodes[6].outputs == std::vector<std::string>{"z"});
}

TEST_CASE("a weight that is not finite is refused by its name", "[onnx]") {
  OnnxBuilder builder;
  const OnnxBuilder::Scope scope = builder.within("3.Conv");
  CHECK_THROWS_WITH(builder.constant("weight", torch::full({1}, std::numeric_limits<double>::infinity())),
                    Contains("3.Conv/weight") && Contains("not finite"));
}
}  // namespace rtdetr
