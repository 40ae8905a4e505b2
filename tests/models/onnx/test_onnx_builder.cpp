#include "models/onnx/onnx_builder.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "models/deploy/onnx/evaluator.h"
#include "models/layers/basic.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

using Catch::Contains;

/// What `emit` makes of `x` in a float16 graph.
template <typename Emit>
torch::Tensor in_float16(const torch::Tensor& x, const Emit& emit) {
  OnnxBuilder builder(OnnxType::kFloat16);
  const OnnxValue input = builder.input("x", {OnnxValue::kBatch}, OnnxType::kFloat16);
  builder.output(emit(builder, input), "y");
  OnnxModel model;
  model.graph = builder.finish("half");
  return OnnxEvaluator(model).run({{"x", x.to(torch::kHalf)}}).at("y");
}

}  // namespace

TEST_CASE("an output's name is no other value's", "[onnx]") {
  OnnxBuilder builder;
  const OnnxValue x = builder.input("x", {OnnxValue::kBatch, 2}, OnnxType::kFloat);
  builder.output(x, "Relu");
  CHECK_THROWS_AS(builder.output(x, "x"), InternalError);
  CHECK_THROWS_AS(builder.output(x, "Relu"), InternalError);
  builder.output(onnx::unary(builder, "Relu", x), "y");
  const OnnxGraph graph = builder.finish("names");
  REQUIRE(graph.outputs.size() == 2);
  CHECK(graph.outputs[0].name == "Relu");
  CHECK(graph.outputs[1].name == "y");
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[0].outputs == std::vector<std::string>{"y"});
  CHECK(graph.nodes[1].op == "Identity");
  CHECK(graph.nodes[1].outputs == std::vector<std::string>{"Relu"});
}

TEST_CASE("a constant has to be finite in the graph's type", "[onnx]") {
  OnnxBuilder builder(OnnxType::kFloat16);
  const OnnxBuilder::Scope scope = builder.within("3.Conv");
  CHECK(builder.constant("bias", torch::full({1}, 65504.0)).type == OnnxType::kFloat16);
  CHECK_THROWS_WITH(builder.constant("weight", torch::full({1}, 7e4)),
                    Contains("3.Conv/weight") && Contains("not finite in float16"));
  CHECK_THROWS_AS(builder.constant("weight", torch::full({1}, 7e4)), CheckpointError);
  CHECK_THROWS_WITH(builder.number(1e5), Contains("not finite in float16"));
  CHECK(builder.precise_constant("sizes", torch::full({1}, 7e4)).type == OnnxType::kFloat);
  CHECK_THROWS_WITH(builder.float32_constant("scales", torch::full({1}, NAN)), Contains("3.Conv/scales"));
}

TEST_CASE("values that differ in more than an axis are not joined along it", "[onnx]") {
  OnnxBuilder builder;
  const auto input = [&](std::vector<std::int64_t> shape, OnnxType type) {
    return builder.input("x", std::move(shape), type);
  };
  const OnnxValue x = input({OnnxValue::kBatch, 2, 3}, OnnxType::kFloat);
  const OnnxValue joined = onnx::concat(builder, {x, input({OnnxValue::kBatch, 5, 3}, OnnxType::kFloat)}, -2);
  CHECK(joined.shape == std::vector<std::int64_t>{OnnxValue::kBatch, 7, 3});
  for (const OnnxValue& other : {input({OnnxValue::kBatch, 2, 4}, OnnxType::kFloat), input({2, 3}, OnnxType::kFloat),
                                 input({OnnxValue::kBatch, 2, 3}, OnnxType::kInt64)}) {
    CHECK_THROWS_AS(onnx::concat(builder, {x, other}, 1), InternalError);
  }
}

TEST_CASE("products and comparisons are of one type", "[onnx]") {
  OnnxBuilder builder;
  const OnnxValue a = builder.input("a", {2, 2}, OnnxType::kFloat), b = builder.input("b", {2, 2}, OnnxType::kInt64);
  CHECK_THROWS_AS(onnx::matmul(builder, a, b), InternalError);
  CHECK_THROWS_AS(onnx::equal(builder, a, b), InternalError);
  CHECK_THROWS_AS(onnx::add(builder, a, b), InternalError);
}

TEST_CASE("a float16 graph has no infinity where the model has none", "[onnx]") {
  const torch::Tensor large = torch::tensor({60000.0, -60000.0, 40000.0});
  const torch::Tensor sums =
      in_float16(large, [](OnnxBuilder& graph, const OnnxValue& x) { return emit_residual(graph, x, x); });
  CHECK(sums.equal(torch::tensor({65504.0, -65504.0, 65504.0}).to(torch::kHalf)));
  const torch::Tensor curve =
      in_float16(large, [](OnnxBuilder& graph, const OnnxValue& x) { return onnx::gelu(graph, x); });
  CHECK(curve.equal(torch::tensor({60000.0, 0.0, 40000.0}).to(torch::kHalf)));

  OnnxBuilder builder;
  const OnnxValue x = builder.input("x", {2}, OnnxType::kFloat);
  CHECK(emit_within_float16(builder, x).name == "x");
}

}  // namespace rtdetr
