#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/onnx/onnx_file.h"
#include "core/onnx/proto_wire.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using rtdetr::test::TemporaryFolder;
using namespace std::string_literals;

namespace {

OnnxTensor floats(const std::string& name, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {name, OnnxType::kFloat, {static_cast<std::int64_t>(values.size())}, {bytes.begin(), bytes.end()}};
}

/// y = x + c, with an attribute of every type on the way.
OnnxModel sample() {
  OnnxModel model;
  model.producer_name = "rtdetr";
  model.producer_version = "1.2";
  model.metadata = {{"names", "[\"cat\"]"}, {"empty", ""}};
  OnnxGraph& graph = model.graph;
  graph.name = "sample";
  graph.inputs = {{"x", OnnxType::kFloat, {std::string("N"), std::int64_t{2}}}};
  graph.outputs = {{"y", OnnxType::kInt64, {std::string("N"), std::int64_t{2}}}};
  graph.initializers = {floats("c", {1.5F, -2}), {"none", OnnxType::kInt64, {0, 3}, {}}};
  graph.nodes.push_back({"Add", "0.Add/Add", {"x", "c"}, {"s"}, {}});
  graph.nodes.push_back({"Odd",
                         "0.Add/Odd",
                         {"s", "", "none"},
                         {"y", "second"},
                         {{"f", -0.5F},
                          {"i", std::int64_t{-1}},
                          {"s", "floor"s},
                          {"is", std::vector<std::int64_t>{0, 300, -7}},
                          {"fs", std::vector<float>{0.25F}},
                          {"none", std::vector<std::int64_t>{}},
                          {"t", floats("", {3})}}});
  return model;
}

std::string bytes_of(const OnnxModel& model) {
  std::string bytes;
  stream_onnx(model, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

OnnxModel parsed(const std::string& bytes) { return parse_onnx(bytes, "m.onnx"); }

/// The bytes of `model` after `change`, which its reader ought to refuse.
std::string changed(const std::function<void(OnnxModel&)>& change) {
  OnnxModel model = sample();
  change(model);
  return bytes_of(model);
}

}  // namespace

TEST_CASE("an ONNX model comes back from its file as it was", "[onnx]") {
  const TemporaryFolder folder;
  const OnnxModel model = sample();
  write_onnx(folder / "m.onnx", model);
  const OnnxModel back = read_onnx(folder / "m.onnx");

  CHECK(bytes_of(back) == bytes_of(model));
  CHECK(back.ir_version == 8);
  CHECK(back.opset == 17);
  CHECK(back.producer_version == "1.2");
  CHECK(back.metadata == model.metadata);
  REQUIRE(back.graph.nodes.size() == 2);
  CHECK(back.graph.nodes[1].inputs == std::vector<std::string>{"s", "", "none"});
  CHECK(back.graph.nodes[1].outputs == std::vector<std::string>{"y", "second"});
  CHECK(std::get<std::int64_t>(back.graph.nodes[1].attributes.at("i")) == -1);
  CHECK(std::get<std::vector<std::int64_t>>(back.graph.nodes[1].attributes.at("is")) ==
        std::vector<std::int64_t>{0, 300, -7});
  CHECK(std::get<std::vector<std::int64_t>>(back.graph.nodes[1].attributes.at("none")).empty());
  CHECK(std::get<float>(back.graph.nodes[1].attributes.at("f")) == -0.5F);
  REQUIRE(back.graph.initializers.size() == 2);
  CHECK(back.graph.initializers[0].data == model.graph.initializers[0].data);
  CHECK(back.graph.initializers[1].dims == std::vector<std::int64_t>{0, 3});
  CHECK(back.graph.inputs[0].dims == model.graph.inputs[0].dims);
}

TEST_CASE("an ONNX file's bytes are protobuf's, put down by hand", "[onnx]") {
  OnnxModel model;
  model.producer_name = "p";
  model.producer_version = "v";
  model.graph.name = "g";
  model.graph.inputs = {{"x", OnnxType::kFloat, {std::string("N"), std::int64_t{300}}}};
  model.graph.outputs = {{"y", OnnxType::kFloat, {}}};
  model.graph.initializers = {floats("c", {1})};
  model.graph.nodes.push_back({"Add", "n", {"x", "c"}, {"y"}, {{"a", std::int64_t{-1}}}});

  const std::string node =
      "\x0A\x01x\x0A\x01"
      "c\x12\x01y\x1A\x01n\x22\x03"
      "Add"
      "\x2A\x11\x0A\x01"
      "a\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\xA0\x01\x02"s;
  const std::string input = "\x0A\x01x\x12\x10\x0A\x0E\x08\x01\x12\x0A\x0A\x03\x12\x01N\x0A\x03\x08\xAC\x02"s;
  const std::string output = "\x0A\x01y\x12\x06\x0A\x04\x08\x01\x12\x00"s;
  const std::string constant =
      "\x08\x01\x10\x01\x42\x01"
      "c\x4A\x04\x00\x00\x80\x3F"s;
  const auto part = [](char tag, const std::string& bytes) {
    return std::string(1, tag) + static_cast<char>(bytes.size()) + bytes;
  };
  const std::string graph =
      part('\x0A', node) + "\x12\x01g" + part('\x5A', input) + part('\x62', output) + part('\x2A', constant);
  CHECK(bytes_of(model) == "\x08\x08\x42\x04\x0A\x00\x10\x11\x12\x01p\x1A\x01v"s + part('\x3A', graph));
}

TEST_CASE("an ONNX file that ends anywhere before its end is refused", "[onnx]") {
  const std::string whole = bytes_of(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size << " of " << whole.size() << " bytes");
    CHECK_THROWS_AS(parsed(whole.substr(0, size)), CheckpointError);
  }
}

TEST_CASE("an ONNX file that does not keep its own promises is refused", "[onnx]") {
  const auto refused = [](const std::function<void(OnnxModel&)>& change, const std::string& why) {
    CHECK_THROWS_WITH(parsed(changed(change)), Contains("m.onnx: ") && Contains(why));
  };
  refused([](OnnxModel& m) { m.graph.initializers[0].dims = {3}; }, "'c' has 8 bytes, and its shape asks for 12");
  refused([](OnnxModel& m) { m.graph.initializers[0].dims = {-2}; }, "'c' has no possible shape");
  refused([](OnnxModel& m) { m.graph.initializers[0].dims = {std::int64_t{1} << 62, 2}; }, "'c' has no possible shape");
  refused([](OnnxModel& m) { m.graph.initializers[0].type = OnnxType{8}; },
          "in constant 0 (from 0): the element type 8");
  refused([](OnnxModel& m) { m.graph.initializers[1].name = "c"; }, "'c' is given twice");
  refused([](OnnxModel& m) { m.graph.initializers[0].name = ""; }, "a constant has no name");
  refused([](OnnxModel& m) { m.graph.nodes[1].outputs[1] = ""; }, "an output of 0.Add/Odd has no name");
  refused([](OnnxModel& m) { m.graph.nodes[1].op = "\xFF"; }, "in node 1 (from 0): the text of field 4 is not UTF-8");
  refused([](OnnxModel& m) { m.graph.nodes[0].inputs[0] = "y"; }, "0.Add/Add uses 'y', which nothing gives");
  refused([](OnnxModel& m) { m.graph.outputs[0].name = "z"; }, "nothing gives the output 'z'");
  refused([](OnnxModel& m) { m.graph.nodes[0].outputs.clear(); }, "no operator or no output");
  refused([](OnnxModel& m) { m.producer_name = "\xFF"; }, "not UTF-8");
  refused([](OnnxModel& m) { m.graph.inputs[0].dims[1] = std::int64_t{-1}; }, "neither a size nor a name");
}

TEST_CASE("an ONNX file with what rtdetr does not write is refused", "[onnx]") {
  const std::string whole = bytes_of(sample());
  CHECK_THROWS_WITH(parsed(whole + "\x32\x01 "), Contains("field 6 of the model"));
  CHECK_THROWS_WITH(parsed(whole + "\x3A\x00"s), Contains("field 7 of the model is there twice"));
  CHECK_THROWS_WITH(parsed("\x42\x06\x0A\x04msft" + whole), Contains("another domain"));
  CHECK_THROWS_WITH(parsed("\x0B" + whole), Contains("of the kind 3"));
  CHECK_THROWS_WITH(parsed("\x0A\x00"s + whole), Contains("field 1 is not an integer"));
  CHECK_THROWS_WITH(parsed("\x08" + std::string(10, '\xFF')), Contains("more than 64 bits"));
}

TEST_CASE("an ONNX file that lacks something, or says it twice, is refused", "[onnx]") {
  const std::string whole = bytes_of(sample()), behind_version = whole.substr(2), behind_opset = whole.substr(8);
  REQUIRE(whole.substr(0, 8) == "\x08\x08\x42\x04\x0A\x00\x10\x11"s);
  CHECK_THROWS_WITH(parsed(behind_version), Contains("IR version is not 8"));
  CHECK_THROWS_WITH(parsed("\x08\x07" + behind_version), Contains("IR version is not 8"));
  CHECK_THROWS_WITH(parsed("\x08\x08" + whole), Contains("field 1 of the model is there twice"));
  CHECK_THROWS_WITH(parsed("\x08\x08\x42\x02\x0A\x00"s + behind_opset), Contains("operator set has no version"));
  CHECK_THROWS_WITH(parsed("\x08\x08" + behind_opset), Contains("does not say which operators"));

  const auto with_input = [&](const ProtoMessage& type) {
    ProtoMessage opset, value, graph, model;
    opset.varint(2, 17);
    value.text(1, "x").message(2, type);
    graph.message(11, value);
    return model.varint(1, 8).message(8, opset).message(7, graph).bytes();
  };
  ProtoMessage element, shape, whole_tensor, size_and_name, odd_shape, odd_tensor;
  element.varint(1, 1);
  shape.message(2, ProtoMessage());
  whole_tensor.varint(1, 1).message(2, ProtoMessage());
  size_and_name.varint(1, 5).text(2, "N");
  odd_shape.message(1, size_and_name);
  odd_tensor.varint(1, 1).message(2, odd_shape);
  const auto typed = [](const ProtoMessage& tensor) { return ProtoMessage().message(1, tensor); };
  CHECK(parsed(with_input(typed(whole_tensor))).graph.inputs[0].dims.empty());
  for (const ProtoMessage& half : {element, shape})
    CHECK_THROWS_WITH(parsed(with_input(typed(half))), Contains("'x' has no element type or no shape"));
  CHECK_THROWS_WITH(parsed(with_input(typed(odd_tensor))), Contains("in input 0 (from 0): a dimension has a size and"));
  CHECK_THROWS_WITH(parsed(with_input(typed(whole_tensor).message(1, whole_tensor))),
                    Contains("field 1 of a type is there twice"));
}

TEST_CASE("an ONNX file of 2 GiB is neither written nor read", "[onnx]") {
  CHECK(kMostOnnxBytes == 2'147'483'647);
  const TemporaryFolder folder;
  write_onnx(folder / "m.onnx", sample());
  const std::uint64_t size = std::filesystem::file_size(folder / "m.onnx");
  CHECK(read_onnx(folder / "m.onnx", size).opset == 17);
  CHECK_THROWS_AS(read_onnx(folder / "m.onnx", size - 1), CheckpointError);
  CHECK_THROWS_WITH(read_onnx(folder / "m.onnx", size - 1), Contains("m.onnx: has " + std::to_string(size) + " bytes"));
  CHECK_THROWS_AS(read_onnx(folder / "none.onnx"), IoError);

  const auto write_within = [](std::uint64_t limit) {
    stream_onnx(
        sample(), [](std::string_view) {}, limit);
  };
  CHECK_NOTHROW(write_within(size));
  CHECK_THROWS_AS(write_within(size - 1), ConfigError);
  CHECK_THROWS_WITH(write_within(size - 1), Contains("a file of " + std::to_string(size) + " bytes"));
}

TEST_CASE("a small ONNX file cannot ask for much memory", "[onnx]") {
  ProtoMessage node, graph;
  node.text(2, "y").text(4, "A");
  for (int k = 0; k < 400'000; ++k) graph.message(1, node);
  ProtoMessage model;
  model.message(7, graph);
  CHECK_THROWS_WITH(parsed(model.bytes()), Contains("more than a million parts"));

  ProtoMessage packed, one, constants;
  packed.text(1, std::string(100, '\x01'));  // dims, a byte each
  one.message(5, packed);
  constants.message(7, one);
  CHECK_THROWS_WITH(parsed(constants.bytes()), Contains("field 1 is not an integer"));
}
