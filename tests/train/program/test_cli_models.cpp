// Runs the built program: export, benchmark, and who takes which model file.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/onnx/onnx_file.h"
#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("an exported YAML is a fused model that predicts, and is never written over itself") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), file = scratch.file("tiny.safetensors");
  const std::string again = scratch.file("again.safetensors");
  const std::string to_file = "export model=" + yaml + " format=safetensors imgsz=64 json=true output=";
  const json exported = document_of(run(scratch, to_file + file));
  CHECK(exported["output"] == file);
  CHECK(exported["max_abs_diff"] < 1e-4);
  const Result untrained = run(scratch, to_file + again);
  CHECK_THAT(untrained.err, Contains("its weights are untrained, drawn from seed=0"));
  CHECK_THAT(run(scratch, "export json=true format=safetensors model=" + file + " output=" + again).err,
             !Contains("untrained"));

  const json info = document_of(run(scratch, "info json=true model=" + file));
  CHECK(info["params"] == info["params_fused"]);
  CHECK(info["params"] == info["params_exported"]);
  CHECK(info["imgsz"] == json({64, 64}));
  CHECK(info["names"].size() == 3);
  CHECK(info["state_hash"].get<std::string>().size() == 64);
  CHECK(info["state_hash"] == document_of(run(scratch, "info json=true model=" + again))["state_hash"]);
  document_of(run(scratch, to_file + again + " seed=1"));
  CHECK(info["state_hash"] != document_of(run(scratch, "info json=true model=" + again))["state_hash"]);

  const Result refused = run(scratch, "export format=safetensors model=" + file + " output=" + file);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("is the model itself"));
  for (const auto& entry : fs::directory_iterator(scratch.path))
    CHECK_THAT(entry.path().filename().string(), !Contains(".tmp-"));
}

TEST_CASE("an exported ONNX file has the official inputs and outputs, and says what a reader has to know") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), file = scratch.file("tiny.onnx");
  const std::string to_file = "export model=" + yaml + " format=onnx imgsz=64,96 json=true output=" + file;
  const json exported = document_of(run(scratch, to_file));
  CHECK(exported["max_abs_diff"] < 1e-4);
  CHECK(exported["imgsz"] == json({64, 96}));

  const auto names = [](const std::vector<OnnxValueInfo>& values) {
    std::vector<std::string> result;
    for (const OnnxValueInfo& value : values) result.push_back(value.name);
    return result;
  };
  const OnnxModel model = read_onnx(file);
  CHECK(names(model.graph.inputs) == std::vector<std::string>{"images", "orig_target_sizes"});
  CHECK(names(model.graph.outputs) == std::vector<std::string>{"labels", "boxes", "scores"});
  CHECK(json::parse(model.metadata.at("names")).size() == 3);
  CHECK(json::parse(model.metadata.at("imgsz")) == json({64, 96}));
  CHECK_THAT(model.metadata.at("preprocessing"), Contains("64 rows and 96 columns") && Contains("divided by 255"));

  document_of(run(scratch, to_file + " outputs=raw"));
  CHECK(names(read_onnx(file).graph.outputs) == std::vector<std::string>{"logits", "pred_boxes"});
  document_of(run(scratch, to_file + " outputs=ultralytics"));
  CHECK(names(read_onnx(file).graph.outputs) == std::vector<std::string>{"output0"});
  for (const auto& entry : fs::directory_iterator(scratch.path))
    CHECK_THAT(entry.path().filename().string(), !Contains(".tmp-"));
}

TEST_CASE("an ONNX file of free height and width is compared at two sizes, and says what sizes it takes") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), file = scratch.file("tiny.onnx");
  const std::string to_file = "export model=" + yaml + " format=onnx dynamic=true output=" + file + " imgsz=";
  for (const std::string more : {"", " grid_sample=true", " dtype=fp16", " outputs=raw"}) {
    const json exported = document_of(run(scratch, to_file + "64,96 json=true" + more));
    CHECK(exported["max_abs_diff"] < 1e-4);
    CHECK(exported["dynamic"] == true);
    CHECK(exported["compared_inputs"] == 2);
  }
  CHECK_THAT(run(scratch, to_file + "64,96").out,
             Contains("height and width any multiples of 16, compared at 64x96 and 80x128"));
  const OnnxModel model = read_onnx(file);
  CHECK(model.metadata.at("dynamic") == "true");
  CHECK_THAT(model.metadata.at("preprocessing"), Contains("64 rows and 96 columns, or other multiples of 16"));
  CHECK(std::get<std::string>(model.graph.inputs.front().dims.at(2)) == "height");

  std::string many = kTinyModel;
  many.replace(many.find("16, 10,"), 7, "16, 25,");
  const Result refused = run(scratch, "export model=" + scratch.write("many.yaml", many) +
                                          " format=onnx dynamic=true output=" + file + " imgsz=32");
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("at 32x32 the model's maps have 20 cells, fewer than its 25 queries"));
}

TEST_CASE("a file without the model's metadata is refused by who needs it, with what takes it") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  const std::string foreign = with_metadata(model, "format", "pt");
  for (const std::string line : {"val data=bccd model=", "info model="}) {
    const Result result = run(scratch, line + foreign);
    CHECK(result.code == 4);
    CHECK_THAT(result.err, Contains(foreign + " holds tensors") && Contains("train takes such weights"));
  }
  const Result fused = run(scratch, "train data=bccd check=true imgsz=64 model=" + yaml + " weights=" + model);
  CHECK(fused.code == 4);
  CHECK_THAT(fused.err, Contains("an exported file"));
}

TEST_CASE("a folder hides a model that comes along only as a Hugging Face model of that name") {
  const Scratch scratch;
  fs::create_directory(scratch.path / "rtdetr-n");
  const auto info = [&] { return run(scratch, "info imgsz=64 model=rtdetr-n", "/dev/null", scratch.path.string()); };
  CHECK(info().code == 0);
  scratch.write("rtdetr-n/config.json", "{}");
  CHECK_THAT(info().err, Contains("rtdetr-n: is a folder without model.safetensors"));
}

TEST_CASE("decoder_layers cuts the model at predict and export") {
  const Scratch scratch;
  const std::string model = exported_model(scratch), cut = scratch.file("cut.safetensors");
  CHECK(document_of(run(scratch, "export model=" + model + " format=safetensors decoder_layers=1 json=true output=" +
                                     cut))["decoder_layers"] == 1);
  CHECK(document_of(run(scratch, "info model=" + cut + " json=true"))["decoder_layers"] == 1);
  const std::string source = " save=false json=true source=" + sample_picture();
  CHECK(document_of(run(scratch, "predict decoder_layers=1 model=" + model + source))["decoder_layers"] == 1);
  const Result refused = run(scratch, "predict decoder_layers=3 model=" + model + source);
  CHECK(refused.code == 2);
}

}  // namespace rtdetr::test
