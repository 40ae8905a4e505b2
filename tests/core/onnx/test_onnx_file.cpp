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
  refused([](OnnxModel& m) { m.graph.initializers[0].type = OnnxType{8}; }, "element type 8");
  refused([](OnnxModel& m) { m.graph.initializers[1].name = "c"; }, "'c' is given twice");
  refused([](OnnxModel& m) { m.graph.nodes[0].inputs[0] = "y"; }, "0.Add/Add uses 'y', which nothing gives");
  refused([](OnnxModel& m) { m.graph.outputs[0].name = "z"; }, "nothing gives the output 'z'");
  refused([](OnnxModel& m) { m.graph.nodes[0].outputs.clear(); }, "no operator or no output");
  refused([](OnnxModel& m) { m.producer_name = "\xFF"; }, "not UTF-8");
  refused([](OnnxModel& m) { m.graph.inputs[0].dims[1] = std::int64_t{-1}; }, "neither a size nor a name");
}

TEST_CASE("an ONNX file with what rtdetr does not write is refused", "[onnx]") {
  const std::string whole = bytes_of(sample());
  CHECK_THROWS_WITH(parsed(whole + "\x32\x01 "), Contains("field 6 of the model"));
  CHECK_THROWS_WITH(parsed(whole + "\x3A\x00"s), Contains("field 7 of the model"));
  CHECK_THROWS_WITH(parsed("\x42\x06\x0A\x04msft" + whole), Contains("another domain"));
  CHECK_THROWS_WITH(parsed("\x0B" + whole), Contains("of the kind 3"));
  CHECK_THROWS_WITH(parsed("\x0A\x00"s + whole), Contains("field 1 is not an integer"));
  CHECK_THROWS_WITH(parsed("\x08" + std::string(10, '\xFF')), Contains("more than 64 bits"));
}

TEST_CASE("a small ONNX file cannot ask for much memory", "[onnx]") {
  ProtoMessage node, graph;
  node.text(2, "y").text(4, "A");
  for (int k = 0; k < 400'000; ++k) graph.message(1, node);
  ProtoMessage model;
  model.message(7, graph);
  CHECK_THROWS_WITH(parsed(model.bytes()), Contains("more than a million parts"));
}
