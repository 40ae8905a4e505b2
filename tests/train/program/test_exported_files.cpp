// What `export` writes beside fused float32 models: half types, files for Python.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/cpu_level.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "core/weights/weights_file.h"
#include "models/deploy/detector.h"
#include "tests/support/fixtures.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const std::string kOfficial = (kFixtures / "interop/official_v2_bottleneck.yaml").string();
const std::string kThreeBlocks = (kFixtures / "interop/hf_v2_bottleneck.yaml").string();
const std::string kPicture = std::string(RTDETR_SOURCE_DIR) + "/data/samples/bccd/images/BloodImage_00007.jpg";

json document_of(const ProgramResult& result) {
  INFO(result.out << result.err);
  REQUIRE(result.code == 0);
  return json::parse(result.out);
}

json exported(const std::string& model, const fs::path& file, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"export", "model=" + model, "output=" + file.string(), "imgsz=64", "json=true"};
  words.insert(words.end(), more.begin(), more.end());
  return document_of(run_program(words));
}

}  // namespace

TEST_CASE("a half-size export is half as large, says what rounding costs, and works like any other file") {
  const TemporaryFolder folder;
  const fs::path full = folder / "full.safetensors";
  const json of_full = exported(kOfficial, full, {"format=safetensors"});
  CHECK(of_full["dtype"] == "fp32");
  CHECK_FALSE(of_full.contains("rounding"));
  const DetectorOptions every_pair{.min_score = 0.0F, .max_detections = 20};
  const auto exact = Detector(full, every_pair).detect_file(kPicture);
  REQUIRE(exact.size() == 20);
  for (const std::string type : {"bf16", "fp16"}) {
    const fs::path half = folder / (type + ".safetensors");
    const json of_half = exported(full.string(), half, {"format=safetensors", "dtype=" + type, "license=apache-2.0"});
    CHECK(of_half["dtype"] == type);
    CHECK(of_half["max_abs_diff"] < 1e-4);                          // of the fused model before it is rounded
    const double rounding = type == "bf16" ? 5.0 / 64 : 5.0 / 512;  // of scores near 0.01
    CHECK(of_half["rounding"]["max_abs_diff_scores"] > 0);
    CHECK(of_half["rounding"]["max_abs_diff_scores"] < rounding * exact.front().score);
    CHECK(of_half["rounding"]["queries"] == 24);
    const auto payload = [](const fs::path& file) {
      std::size_t bytes = 0;
      const SafetensorsReader reader(file);
      for (const TensorEntry& entry : reader.entries()) bytes += entry.bytes;
      return static_cast<double>(bytes);
    };
    CHECK(payload(half) < 0.52 * payload(full));

    const json info = document_of(run_program({"info", "model=" + half.string(), "json=true"}));
    CHECK(info["dtype"] == type);
    CHECK(info["license"] == "apache-2.0");
    CHECK(info["bytes"] == fs::file_size(half));
    CHECK_THAT(run_program({"info", "model=" + half.string()}).out,
               Contains("weights in " + type) && Contains("licence apache-2.0"));
    for (const std::string amp : {"off", "bf16", "fp16"}) {
      const std::string engine = amp == "bf16" && !has_bfloat16_products() ? "off" : "auto";
      const json found = document_of(run_program({"predict", "model=" + half.string(), "source=" + kPicture,
                                                  "save=false", "json=true", "amp=" + amp, "engine=" + engine}));
      CHECK(found["pictures"].size() == 1);
    }
    const auto rounded = Detector(half, every_pair).detect_file(kPicture);
    REQUIRE(rounded.size() == exact.size());
    for (std::size_t k = 0; k < exact.size(); ++k)
      CHECK(rounded[k].score == Approx(exact[k].score).epsilon(rounding).margin(0));
    const json timed = document_of(run_program({"benchmark", "model=" + half.string(), "runs=1", "json=true"}));
    CHECK(timed["model_ms"]["p50"] > 0);
    const json again = exported(half.string(), folder / "again.safetensors", {"format=safetensors", "dtype=" + type});
    CHECK(again["rounding"]["max_abs_diff_scores"] == 0);  // what is rounded is rounded
    CHECK(again["license"] == "apache-2.0");
  }
}

TEST_CASE("an export in a half type says the AP that it costs on a data set, and a new run takes a part of the model") {
  const TemporaryFolder folder;
  const Settings settings = make_micro_run(folder.path());
  REQUIRE(run_program(micro_command(settings, "exp", {{"epochs", "1"}})).code == 0);
  const std::string best = (fs::path(settings.project) / "exp/best.safetensors").string();
  const fs::path half = folder / "half.safetensors";
  const json document = document_of(run_program({"export", "model=" + best, "format=safetensors", "dtype=bf16",
                                                 "json=true", "verify=" + settings.data, "output=" + half.string()}));
  for (const char* model : {"original", "rounded"}) {
    CHECK(document["ap"][model] >= 0);
    CHECK(document["ap"][model] <= 1);
  }
  const json validated =
      document_of(run_program({"val", "model=" + half.string(), "data=" + settings.data, "json=true"}));
  CHECK(std::abs(validated["stats"][0].get<double>() - document["ap"]["rounded"].get<double>()) < 1e-6);
  const std::string words = "verify=" + settings.data;
  CHECK_THAT(
      run_program({"export", "model=" + best, "format=safetensors", "dtype=bf16", words, "output=" + half.string()})
          .out,
      Contains("AP on " + settings.data + ": ") && Contains(" in bf16"));
  CHECK_FALSE(document_of(run_program({"export", "model=" + best, "format=safetensors", "json=true", words,
                                       "output=" + half.string()}))
                  .contains("ap"));  // nothing is rounded

  auto begin = micro_command(settings, "new", {{"resume", "false"}, {"check", "true"}, {"quiet", "false"}});
  begin.insert(begin.end(), {"weights=" + best, "weights_parts=backbone", "freeze=^model\\.[0-4]\\."});
  const ProgramResult begun = run_program(begin);
  INFO(begun.err);
  CHECK(begun.code == 0);
  CHECK_THAT(begun.err, Contains("what the model begins with, by its entries:") &&
                            Contains("left out by weights_parts") && Contains("score heads") && Contains("frozen") &&
                            !Contains("untrained"));
}

TEST_CASE("a calibrated export computes in int8 where the processor does, and says what that costs") {
  const TemporaryFolder folder;
  const Settings settings = make_micro_run(folder.path());
  REQUIRE(run_program(micro_command(settings, "exp", {{"epochs", "1"}})).code == 0);
  const std::string best = (fs::path(settings.project) / "exp/best.safetensors").string(),
                    file = (folder / "int8.safetensors").string(), data = "data=" + settings.data;
  const std::vector<std::string> words{
      "export",         "model=" + best,          "format=safetensors", "calibrate=" + settings.data,
      "output=" + file, "verify=" + settings.data};
  const ProgramResult told = run_program(words);
  INFO(told.err);
  REQUIRE(told.code == 0);
  CHECK_THAT(told.out, Contains("calibrated for amp=int8 on "));
  CHECK((told.out.find("amp=int8\n") != std::string::npos) == has_byte_products());
  std::vector<std::string> again = words;
  again.emplace_back("json=true");
  const json document = document_of(run_program(again));
  CHECK(document["calibration"]["pictures"] > 0);
  CHECK(document["calibration"]["products"] > 10);
  CHECK(document["max_abs_diff"] < 1e-4);  // in float32 it is the model
  const ProgramResult uncalibrated = run_program({"val", "model=" + best, data, "amp=int8"}),
                      plain = run_program({"val", "model=" + file, data, "amp=int8", "engine=off"}),
                      predicted = run_program(
                          {"predict", "model=" + file, "source=" + kPicture, "amp=int8", "json=true", "save=false"});
  CHECK(uncalibrated.code == 2);
  CHECK(plain.code == 2);
  CHECK_THAT(plain.err, Contains("amp=int8 (command line) is for device=cpu and engine=auto"));
  if (!has_byte_products()) {
    CHECK_THAT(told.out, Contains("val amp=int8 tells elsewhere") && Contains("AVX512_VNNI"));
    CHECK_FALSE(document.contains("ap"));
    CHECK_THAT(uncalibrated.err, Contains("amp=int8 (command line): this processor cannot multiply such numbers"));
    CHECK(predicted.code == 2);
    return;
  }
  CHECK_THAT(told.out, Contains("AP on " + settings.data + ": ") && Contains(" in int8"));
  CHECK_THAT(uncalibrated.err, Contains("the model's file has no calibration"));
  CHECK(document_of(predicted)["pictures"].size() == 1);
  const json validated = document_of(run_program({"val", "model=" + file, data, "json=true", "amp=int8"}));
  CHECK(validated["precision"] == "int8");
  CHECK(std::abs(validated["stats"][0].get<double>() - document["ap"]["rounded"].get<double>()) < 1e-6);
  CHECK(document_of(run_program({"benchmark", "model=" + file, "runs=1", "json=true", "amp=int8"}))["precision"] ==
        "int8");
  const json front = document_of(run_program({"benchmark", "front=true", "model=" + file, data, "split=val", "amp=auto",
                                              "runs=1", "queries=4", "sizes=64", "json=true"}));
  CHECK(std::ranges::any_of(front["points"], [](const json& point) { return point["precision"] == "int8"; }));
}

TEST_CASE("a float16 ONNX file is half as large and says what it costs, on a data set in AP too") {
  const TemporaryFolder folder;
  const fs::path model = folder / "full.safetensors", data = folder / "numbered.yaml";
  exported(kOfficial, model, {"format=safetensors"});
  const std::string bccd = std::string(RTDETR_SOURCE_DIR) + "/configs/datasets/bccd_overfit8.yaml";
  document_of(
      run_program({"convert", "data=" + bccd, "format=yolo", "json=true", "output=" + (folder / "yolo").string()}));
  write_text_atomically(data, "path: " + (folder / "yolo").string() + "\nval: images/val\nnames: ['0', '1', '2']\n");
  const auto written = [&](const std::string& type, const std::string& name, const std::string& more) {
    return run_program({"export", "model=" + model.string(), "format=onnx", "dtype=" + type, more,
                        "verify=" + data.string(), "verify_pictures=7", "output=" + (folder / name).string()});
  };
  const json full = document_of(written("fp32", "full.onnx", "json=true")),
             half = document_of(written("fp16", "half.onnx", "json=true"));
  CHECK_FALSE(full.contains("ap"));  // nothing is rounded
  CHECK(half["dtype"] == "fp16");
  CHECK(half["max_abs_diff"] < 1e-4);  // of the graph before it is rounded
  CHECK(half["rounding"]["mean_diff"] < 0.005);
  CHECK(half["bytes"].get<double>() < 0.75 * full["bytes"].get<double>());  // names and boxes' constants are not halved
  CHECK(half["ap"]["pictures"] == 7);
  CHECK(half["ap"]["rounded"] >= 0);
  CHECK_THAT(written("fp16", "half.onnx", "json=false").out,
             Contains("AP on " + data.string() + ", 7 of 8 pictures: ") && Contains(" in fp16, ") &&
                 Contains(" queries begin at other places of the picture"));
  CHECK_THAT(run_program({"export", "model=" + model.string(), "format=onnx", "dtype=fp16",
                          "output=" + (folder / "seeded.onnx").string()})
                 .out,
             Contains("what that costs in AP, verify= with a data set's YAML tells"));
}

TEST_CASE("an official file is read back as it was written, in a half type too, and refused where it cannot be") {
  const TemporaryFolder folder;
  for (const std::string type : {"fp32", "fp16"}) {
    const fs::path file = folder / (type + ".pth");
    const json document = exported(kOfficial, file, {"format=official-pth", "dtype=" + type});
    CHECK(document["bytes"] == fs::file_size(file));
    const auto weights = open_weights(file);
    const WeightTensor* bias = weights->find("ema.module.decoder.enc_score_head.bias");
    REQUIRE(bias);
    CHECK(bias->type == (type == "fp16" ? TensorType::kF16 : TensorType::kF32));
    CHECK(weights->find("ema.module.decoder.anchors"));
    const WeightTensor* mask = weights->find("ema.module.decoder.valid_mask");
    REQUIRE(mask);
    CHECK(mask->type == TensorType::kBool);
  }
  const fs::path fused = folder / "fused.safetensors";
  exported(kOfficial, fused, {"format=safetensors"});
  const std::vector<std::pair<std::string, std::string>> refused = {{fused.string(), "it is fused"},
                                                                    {"rtdetr-n", "no 'backbone.stem.0.conv.weight'"},
                                                                    {"rtdetr-l", "safetensors.torch.load_file"}};
  for (const auto& [model, says] : refused) {
    const ProgramResult result = run_program(
        {"export", "model=" + model, "format=official-pth", "imgsz=64", "output=" + (folder / "no.pth").string()});
    INFO(model << result.err);
    CHECK(result.code == 2);
    CHECK_THAT(result.err, Contains("format=official-pth (command line) cannot hold " + model) && Contains(says));
    CHECK_FALSE(fs::exists(folder / "no.pth"));
  }
}

TEST_CASE("a folder for Hugging Face has three files, is new, and is not left behind half") {
  const TemporaryFolder folder;
  const fs::path out = folder / "hf";
  const json document = exported(kThreeBlocks, out, {"format=hf", "license=mit"});
  std::uintmax_t bytes = 0;
  for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors"})
    bytes += fs::file_size(out / name);
  CHECK(document["bytes"] == bytes);
  CHECK(std::distance(fs::directory_iterator(out), fs::directory_iterator()) == 3);
  const SafetensorsReader reader(out / "model.safetensors");
  CHECK(reader.metadata().at("format") == "pt");
  CHECK(reader.metadata().at("license") == "mit");
  CHECK(json::parse(read_text_file(out / "preprocessor_config.json"))["size"] == json({{"height", 64}, {"width", 64}}));

  const auto refused = [&](const std::string& model, const fs::path& target) {
    const ProgramResult result =
        run_program({"export", "model=" + model, "format=hf", "imgsz=64", "output=" + target.string()});
    CHECK(result.code == 2);
    return result.err;
  };
  CHECK_THAT(refused(kThreeBlocks, out), Contains("is there already"));
  CHECK_THAT(refused(kThreeBlocks, out / ""), Contains("is there already"));
  exported(kThreeBlocks, folder / "slash" / "", {"format=hf"});
  CHECK(fs::is_regular_file(folder / "slash/model.safetensors"));
  CHECK_THAT(refused("rtdetr-n", folder / "no"),
             Contains("cannot hold rtdetr-n") && Contains("official-pth may hold it"));
  CHECK_FALSE(fs::exists(folder / "no"));
  const ProgramResult wide = run_program(
      {"export", "model=" + kThreeBlocks, "format=hf", "imgsz=64,96", "output=" + (folder / "wide").string()});
  CHECK(wide.code == 0);
  CHECK_THAT(wide.err, Contains("transformers 5 numbers"));
}

}  // namespace rtdetr::test
