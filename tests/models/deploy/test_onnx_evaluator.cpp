#include "models/deploy/onnx/evaluator.h"

#include <torch/types.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/tensor/tensor_file.h"
#include "tests/support/fixtures.h"

using Catch::Contains;
using nlohmann::json;
using rtdetr::OnnxAttribute;
using rtdetr::OnnxDimension;
using rtdetr::OnnxEvaluator;
using rtdetr::OnnxModel;
using rtdetr::OnnxNode;
using rtdetr::OnnxType;
using rtdetr::OnnxValueInfo;
using rtdetr::OnnxValues;
using torch::Tensor;

namespace {

OnnxAttribute attribute_of(const json& value) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<float>();
  if (value.is_string()) return value.get<std::string>();
  return value.get<std::vector<std::int64_t>>();
}

OnnxType onnx_type(torch::ScalarType type) {
  const std::map<torch::ScalarType, OnnxType> types = {{torch::kFloat32, OnnxType::kFloat},
                                                       {torch::kFloat16, OnnxType::kFloat16},
                                                       {torch::kInt64, OnnxType::kInt64},
                                                       {torch::kBool, OnnxType::kBool}};
  return types.at(type);
}

std::vector<OnnxDimension> dimensions_of(const Tensor& value) {
  std::vector<OnnxDimension> dimensions;
  for (const std::int64_t size : value.sizes()) dimensions.push_back(size);
  return dimensions;
}

OnnxValueInfo declaration_of(const std::string& name, const Tensor& value) {
  return {name, onnx_type(value.scalar_type()), dimensions_of(value)};
}

/// A recorded node as a model, and its inputs.
struct RecordedNode {
  OnnxModel model;
  OnnxValues inputs, outputs;
};

RecordedNode recorded_node(const json& record, const rtdetr::TensorMap& tensors) {
  RecordedNode result;
  const std::string name = record["name"];
  OnnxNode node{record["op"], name, record["inputs"], record["outputs"], {}};
  for (const auto& [key, value] : record["attributes"].items()) node.attributes[key] = attribute_of(value);
  for (const std::string& input : node.inputs) {
    if (input.empty()) continue;
    result.inputs[input] = tensors.at(name + "/" + input);
    result.model.graph.inputs.push_back(declaration_of(input, result.inputs[input]));
  }
  for (const std::string& output : node.outputs) {
    result.outputs[output] = tensors.at(name + "/" + output);
    result.model.graph.outputs.push_back(declaration_of(output, result.outputs[output]));
  }
  result.model.graph.nodes = {node};
  return result;
}

/// @param sizes  a constant of that name
OnnxModel model_of(const std::vector<OnnxNode>& nodes, const std::vector<std::int64_t>& sizes = {}) {
  OnnxModel model;
  const auto bytes = std::as_bytes(std::span(sizes));
  model.graph.initializers = {
      {"sizes", OnnxType::kInt64, {static_cast<std::int64_t>(sizes.size())}, {bytes.begin(), bytes.end()}}};
  model.graph.nodes = nodes;
  const OnnxDimension any = std::string("N");
  model.graph.inputs = {{"x", OnnxType::kFloat, {any}}};
  model.graph.outputs = {{"y", OnnxType::kFloat, {any}}};
  return model;
}

/// With an `x` of any shape.
OnnxValues run_on(OnnxModel model, const Tensor& x) {
  model.graph.inputs[0].dims = dimensions_of(x);
  return OnnxEvaluator(model).run({{"x", x}});
}

}  // namespace

TEST_CASE("every operator gives what ONNX Runtime gives") {
  std::ifstream file(rtdetr::test::kFixtures / "onnx/operators.json");
  const json recorded = json::parse(file);
  const auto tensors = rtdetr::load_tensors(rtdetr::test::kFixtures / "onnx/operators.safetensors").tensors;
  const auto floats = GENERATE(torch::kFloat32, torch::kFloat64);
  REQUIRE(recorded["cases"].size() > 100);
  for (const json& record : recorded["cases"]) {
    INFO(record["name"].get<std::string>() << " in " << torch::toString(floats));
    const RecordedNode node = recorded_node(record, tensors);
    const OnnxValues found = OnnxEvaluator(node.model, {.floats = floats}).run(node.inputs);
    for (const auto& [name, expected] : node.outputs) {
      const Tensor value = found.at(name);
      REQUIRE(value.sizes() == expected.sizes());
      const bool precise = floats == torch::kFloat64 && expected.is_floating_point();
      CHECK(value.scalar_type() == (precise ? torch::kFloat64 : expected.scalar_type()));
      if (precise && expected.scalar_type() == torch::kFloat16) continue;  // whose range is not kept then
      CHECK(torch::allclose(value.to(torch::kFloat64), expected.to(torch::kFloat64), 1e-5, 2e-6));
    }
  }
}

TEST_CASE("an evaluation hands out any value, and only what is wanted") {
  const OnnxModel model =
      model_of({{"Relu", "3.Conv/act", {"x"}, {"middle"}, {}}, {"Floor", "end", {"middle"}, {"y"}, {}}});
  const std::vector<std::string> wanted{"middle"};
  const OnnxValues found = OnnxEvaluator(model).run({{"x", torch::tensor({-1.5F, 2.5F})}}, wanted);
  REQUIRE(found.size() == 1);
  CHECK(torch::equal(found.at("middle"), torch::tensor({0.0F, 2.5F})));
  const std::vector<std::string> missing{"nothing"};
  CHECK_THROWS_WITH(OnnxEvaluator(model).run({{"x", torch::ones({1})}}, missing), Contains("has no value 'nothing'"));
}

TEST_CASE("constants are read from their bytes, and made float64 for a precise evaluation") {
  OnnxModel model = model_of({{"Mul", "times", {"x", "half"}, {"y"}, {}}});
  const float half = 0.5F;
  model.graph.initializers = {{"half", OnnxType::kFloat, {}, std::vector<std::byte>(4)}};
  std::memcpy(model.graph.initializers[0].data.data(), &half, 4);
  const Tensor x = torch::tensor({1.0 / 3}, torch::kFloat64);
  CHECK(OnnxEvaluator(model).run({{"x", x}}).at("y").scalar_type() == torch::kFloat32);
  const Tensor precise = OnnxEvaluator(model, {.floats = torch::kFloat64}).run({{"x", x}}).at("y");
  CHECK(precise.item<double>() == 1.0 / 6);
  model.graph.initializers[0].dims = {2};
  CHECK_THROWS_WITH(OnnxEvaluator(model), Contains("'half' has 4 bytes where its shape has 8"));
}

TEST_CASE("values are what the graph declares of them") {
  OnnxModel model = model_of({{"Relu", "r", {"x"}, {"y"}, {}}});
  const OnnxDimension n = std::string("N"), two = std::int64_t{2}, three = std::int64_t{3};
  model.graph.inputs[0].dims = model.graph.outputs[0].dims = {n, two};
  const auto run = [&](const Tensor& x) { return OnnxEvaluator(model).run({{"x", x}}).at("y"); };
  CHECK(run(torch::ones({3, 2}, torch::kFloat64)).scalar_type() == torch::kFloat32);
  CHECK_THROWS_WITH(run(torch::ones({3, 3})), Contains("'x' is Float[3, 3], and the graph says Float[N = 3, 2]"));
  CHECK_THROWS_WITH(run(torch::ones({2})), Contains("'x' is Float[2], and the graph says Float[N, 2]"));
  CHECK_THROWS_WITH(run(torch::ones({3, 2}, torch::kInt64)), Contains("'x' is Long[3, 2]"));
  model.graph.outputs[0].dims = {n, n};
  CHECK_THROWS_WITH(run(torch::ones({3, 2})), Contains("'y' is Float[3, 2], and the graph says Float[N = 3, N = 3]"));
  model.graph.outputs[0].dims = {three, two};
  CHECK(run(torch::ones({3, 2})).numel() == 6);
  CHECK_THROWS_WITH(run(torch::ones({1, 2})), Contains("'y' is Float[1, 2], and the graph says Float[3, 2]"));
  model.graph.outputs[0].type = OnnxType::kInt64;
  CHECK_THROWS_AS(run(torch::ones({3, 2})), rtdetr::CheckpointError);
}

TEST_CASE("what an evaluation does not know is refused by name") {
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Einsum", "7.Odd/sum", {"x"}, {"y"}, {}}})),
                    Contains("'7.Odd/sum' (Einsum): the operator is not known"));
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Relu", "a", {"x"}, {"y"}, {{"slope", std::int64_t{1}}}}})),
                    Contains("the attribute slope is not known"));
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Relu", "a", {"x", "x"}, {"y"}, {}}})),
                    Contains("does not take 2 inputs"));
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Relu", "a", {"z"}, {"y"}, {}}})),
                    Contains("reads 'z', which is not there"));
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Relu", "a", {"x"}, {"x"}, {}}})), Contains("gives 'x' a second time"));
  CHECK_THROWS_WITH(OnnxEvaluator(model_of({{"Relu", "a", {"x"}, {"z"}, {}}})), Contains("output 'y' is not made"));
  OnnxModel newer = model_of({{"Relu", "a", {"x"}, {"y"}, {}}});
  newer.opset = 18;
  CHECK_THROWS_WITH(OnnxEvaluator(newer), Contains("operator set 18"));
  CHECK_THROWS_AS(OnnxEvaluator(newer), rtdetr::CheckpointError);
}

TEST_CASE("a window without cells, steps or a map around it is refused") {
  using Integers = std::vector<std::int64_t>;
  const auto [attribute, value, why] =
      GENERATE(table<std::string, Integers, std::string>({{"strides", {0, 0}, "strides of nothing"},
                                                          {"strides", {1, -1}, "strides of nothing"},
                                                          {"dilations", {0, 1}, "strides of nothing"},
                                                          {"kernel_shape", {0, 2}, "an empty kernel"},
                                                          {"pads", {0, 0, -1, 0}, "pads below 0"}}));
  std::map<std::string, OnnxAttribute> attributes{{"kernel_shape", Integers{2, 2}}};
  attributes[attribute] = value;
  for (const std::int64_t ceil_mode : {0, 1}) {
    attributes["ceil_mode"] = ceil_mode;
    const OnnxModel model = model_of({{"MaxPool", "2.Pool", {"x"}, {"y"}, attributes}});
    CHECK_THROWS_WITH(run_on(model, torch::ones({1, 1, 4, 4})), Contains("'2.Pool' (MaxPool") && Contains(why));
  }
}

TEST_CASE("rows of no picture are none") {
  OnnxModel model = model_of({{"GatherND", "rows", {"x", "places"}, {"y"}, {{"batch_dims", std::int64_t{1}}}}});
  model.graph.initializers = {{"places", OnnxType::kInt64, {0, 2, 1}, {}}};
  model.graph.outputs[0].dims = dimensions_of(torch::ones({0, 2, 3}));
  CHECK(run_on(model, torch::ones({0, 5, 3})).at("y").numel() == 0);
}

TEST_CASE("a node that cannot take its inputs is named, with their shapes") {
  const auto two = [](const char* op, std::map<std::string, OnnxAttribute> attributes) {
    return model_of({{op, "4.Block/node", {"x"}, {"y"}, std::move(attributes)}});
  };
  CHECK_THROWS_WITH(run_on(two("Transpose", {{"perm", std::vector<std::int64_t>{0}}}), torch::ones({2, 3})),
                    Contains("'4.Block/node' (Transpose of Float[2, 3]): perm must name every axis"));
  CHECK_THROWS_WITH(run_on(two("Softmax", {{"axis", std::int64_t{2}}}), torch::ones({2, 3})),
                    Contains("is no axis of 2"));
  CHECK_THROWS_WITH(run_on(two("Softmax", {{"axis", 2.0F}}), torch::ones({2, 3})), Contains("axis has another type"));
  const OnnxModel mixed = model_of({{"Shape", "s", {"x"}, {"shape"}, {}}, {"Mul", "m", {"x", "shape"}, {"y"}, {}}});
  CHECK_THROWS_WITH(run_on(mixed, torch::ones({1})), Contains("takes inputs of one type"));
  const OnnxModel outside =
      model_of({{"Shape", "s", {"x"}, {"shape"}, {}}, {"Gather", "g", {"x", "shape"}, {"y"}, {}}});
  CHECK_THROWS_WITH(run_on(outside, torch::ones({5})), Contains("an index lies outside the 5 entries"));
  const OnnxModel unequal = model_of({{"Split", "s", {"x"}, {"y", "z"}, {}}});
  CHECK_THROWS_WITH(run_on(unequal, torch::ones({5})), Contains("no 2 equal parts"));
  const OnnxModel fewer = model_of({{"Split", "s", {"x", "sizes"}, {"y"}, {}}}, {2, 3});
  CHECK_THROWS_WITH(run_on(fewer, torch::ones({5})), Contains("has not one output for each part"));
  const OnnxModel by_floats = model_of({{"Gather", "g", {"x", "x"}, {"y"}, {}}});
  CHECK_THROWS_WITH(run_on(by_floats, torch::zeros({2})), Contains("indices must be int32 or int64"));
  for (const char* op : {"Log", "Erf", "Sigmoid", "Floor", "LeakyRelu", "HardSwish"}) {
    const OnnxModel of_integers = model_of({{"Shape", "s", {"x"}, {"shape"}, {}}, {op, "o", {"shape"}, {"y"}, {}}});
    CHECK_THROWS_WITH(run_on(of_integers, torch::ones({1})),
                      Contains("'o' (" + std::string(op) + " of Long[1]): is known for floating"));
  }
  for (const std::int64_t type : {std::int64_t{8}, std::int64_t{0}, (std::int64_t{1} << 32) + 1}) {
    CHECK_THROWS_WITH(run_on(two("Cast", {{"to", type}}), torch::ones({1})),
                      Contains("'4.Block/node' (Cast") && Contains("data type " + std::to_string(type)));
  }
  const OnnxModel unfit = model_of({{"MatMul", "m", {"x", "x"}, {"y"}, {}}});
  CHECK_THROWS_WITH(run_on(unfit, torch::ones({2, 3})), Contains("'m' (MatMul)"));
}
