// `rtdetr convert weights=…` and commands that take another program's file as their model.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "tests/support/fixtures.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

using Catch::Contains;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

const fs::path kInterop = kFixtures / "interop";
const std::string kUltralytics = (kInterop / "ultralytics_rtdetr-tiny_stripped.pt").string();

std::string sample_picture() {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(RTDETR_SOURCE_DIR) / "data/samples/bccd"))
    if (entry.path().extension() == ".jpg") return entry.path().string();
  return "";
}

ProgramResult convert(const fs::path& weights, const fs::path& output, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"convert", "weights=" + weights.string(), "output=" + output.string()};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(words);
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

/// Whatever is wrong, it is said, with exit code 4, and nothing is left.
void check_refused(const ProgramResult& result, const TemporaryFolder& folder, const std::string& says) {
  INFO(result.err);
  CHECK(result.code == 4);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains(says));
  CHECK(files_in(folder.path()).empty());
}

}  // namespace

TEST_CASE("files of every program become model files, and what was recognised and assumed is said") {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"official_v1_basic.pth",
       "official RT-DETR with a ResNet-vd of basic blocks 1-1-1-1, 2 decoder layers, 3 classes"},
      {"official_v1_basic_legacy.pth", "official RT-DETR with"},
      {"official_v2_bottleneck.pth", "official RT-DETRv2 with"},
      {"hf_v1_basic", "Hugging Face RT-DETR with"},
      {"hf_v2_bottleneck", "Hugging Face RT-DETRv2 with"},
      {"hf_v1_basic_transformers5", "Hugging Face RT-DETR with"},
      {"ultralytics_rtdetr-tiny_stripped.pt", "RT-DETR of Ultralytics, 3 classes"},
      {"ultralytics_rtdetr-tiny_fused.pt", "RT-DETR of Ultralytics, 3 classes"}};
  for (const auto& [file, says] : files) {
    INFO(file);
    const fs::path output = folder / (file + ".safetensors");
    const ProgramResult result = convert(kInterop / file, output, {"json=true"});
    INFO(result.err);
    REQUIRE(result.code == 0);
    const json document = json::parse(result.out);
    CHECK_THAT(document["recognised"].get<std::string>(), Contains(says));
    CHECK(document["missing"].empty());
    CHECK(document["unexpected"].empty());
    CHECK(document["loaded"].get<int>() > 100);
    CHECK(document["fused"] == (file == "ultralytics_rtdetr-tiny_fused.pt"));
    const json info = json::parse(run_program({"info", "model=" + output.string(), "json=true"}).out);
    CHECK(info["names"] == document["names"]);
    CHECK(info["imgsz"] == json{640, 640});
  }
}

TEST_CASE("a converted file predicts what its original does, which every command takes too") {
  const TemporaryFolder folder;
  const std::string output = folder / "model.safetensors";
  REQUIRE(convert(kUltralytics, output, {"imgsz=64"}).code == 0);
  const auto predicted = [&](const std::string& model) {
    const ProgramResult result =
        run_program({"predict", "model=" + model, "source=" + sample_picture(), "imgsz=64", "conf=0.03", "save=false",
                     "json=true", "project=" + (folder / "runs").string()});
    INFO(result.err);
    REQUIRE(result.code == 0);
    return json::parse(result.out)["pictures"][0]["detections"];
  };
  const json ours = predicted(output), theirs = predicted(kUltralytics);
  CHECK(ours == theirs);
  CHECK_FALSE(ours.empty());
  const ProgramResult info = run_program({"info", "model=" + kUltralytics});
  CHECK_THAT(info.out, Contains("RT-DETR of Ultralytics, 3 classes"));
  CHECK_THAT(run_program({"info", "model=" + (kInterop / "hf_v1_basic").string()}).out, Contains("Hugging Face"));
}

TEST_CASE("what is said beside the file wins over it") {
  const TemporaryFolder folder;
  const fs::path output = folder / "model.safetensors";
  const ProgramResult result =
      convert(kInterop / "official_v1_basic.pth", output,
              {"model=" + (kInterop / "official_v1_basic.yaml").string(), "imgsz=64,96", "num_queries=7", "json=true"});
  INFO(result.err);
  REQUIRE(result.code == 0);
  const json document = json::parse(result.out);
  CHECK(document["imgsz"] == json{64, 96});
  CHECK_THAT(document["yaml"].get<std::string>(), Contains("queries: 7") && Contains("heads: 4"));
  CHECK_THAT(document["also_in_file"].dump(), Contains("optimizer"));
  const json again = json::parse(convert(output, folder / "again.safetensors", {"json=true"}).out);
  CHECK_THAT(again["recognised"].get<std::string>(), Contains("a model file of ours"));
  CHECK(again["imgsz"] == json{64, 96});
}

TEST_CASE("a model that no YAML comes along for is trained by its own YAML, from a file or from within the weights") {
  const TemporaryFolder folder;
  const std::string weights = folder / "model.safetensors", yaml = folder / "model.yaml";
  const std::string official = (kInterop / "official_v2_bottleneck.pth").string();
  const auto next_of = [](const ProgramResult& result) {
    CHECK(result.code == 0);
    return result.out.substr(result.out.find("next: "));
  };
  CHECK_THAT(next_of(convert(official, weights)), Contains("model=" + weights + " weights=" + weights));
  const ProgramResult converted = convert(official, weights, {"yaml=" + yaml});
  CHECK_THAT(next_of(converted), Contains("model=" + yaml + " weights=" + weights));
  CHECK_THAT(converted.out, Contains(yaml + ": its YAML"));

  fs::copy_file(sample_picture(), folder / "p.jpg");
  write_text_atomically(folder / "p.txt", "0 0.5 0.5 0.5 0.5\n");
  write_text_atomically(folder / "d.yaml", "train: .\nval: .\nnames: ['0', '1', '2', '3']\n");
  const auto trained = [&](const std::string& model, const std::string& name) {
    return run_program({"train", "model=" + model, "weights=" + weights, "data=" + (folder / "d.yaml").string(),
                        "imgsz=64", "epochs=1", "batch=1", "workers=0", "threads=1", "plots=false", "seed=1",
                        "project=" + (folder / "runs").string(), "name=" + name});
  };
  for (const std::string& model : {yaml, weights}) {
    const ProgramResult result = trained(model, fs::path(model).extension().string().substr(1));
    INFO(model << "\n" << result.err);
    REQUIRE(result.code == 0);
    CHECK_THAT(result.err, Contains("357 of the model's 357 entries taken over"));
  }
  fs::remove(weights);
  const ProgramResult resumed = run_program({"train", "resume=" + (folder / "runs/safetensors").string(), "epochs=2"});
  INFO(resumed.err);
  CHECK(resumed.code == 0);
}

TEST_CASE("mistakes in the command are told before anything is read") {
  const TemporaryFolder folder;
  const std::string output = folder / "model.safetensors";
  const auto says = [&](std::vector<std::string> more, const std::string& text) {
    std::vector<std::string> words = {"convert"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = run_program(words);
    INFO(result.err);
    CHECK(result.code == 2);
    CHECK_THAT(result.err, Contains(text));
  };
  const std::string weights = "weights=" + kUltralytics;
  says({"output=" + output}, "convert needs weights=, or data= and format=");
  says({"data=bccd", "output=" + output}, "convert needs weights=, or data= and format=");
  says({weights}, "convert needs output=");
  says({weights, "output=" + output, "format=yolo"}, "weights and format exclude each other");
  says({weights, "output=" + folder.path().string() + "/x.pth"}, "a model file ends in .safetensors");
  says({weights, "output=" + output, "imgsz=100"}, "multiples of this model's stride");
  says({weights, "output=" + folder.path().string() + "/none/x.safetensors"}, "there is no folder");
  says({weights, "output=" + output, "yaml=" + folder.path().string() + "/none/x.yaml"}, "there is no folder");
  says({"weights=" + kUltralytics + "x", "output=" + output}, "no such file");
  says({"data=bccd", "format=yolo", "num_queries=3", "output=" + output},
       "num_queries= (command line) is for weights=");
  CHECK(files_in(folder.path()).empty());
}

TEST_CASE("what info cannot recognise is listed without a next step") {
  const TemporaryFolder folder;
  std::string header = R"({"model.0.conv.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  write_text_atomically(folder / "yolo.safetensors", length + header + std::string(4, '\0'));
  const ProgramResult info = run_program({"info", "model=" + (folder / "yolo.safetensors").string()});
  INFO(info.err);
  CHECK(info.code == 0);
  CHECK_THAT(info.out, Contains("YOLO") && Contains("1 tensor") && !Contains("next:"));
  CHECK_THAT(run_program({"info", "model=" + kUltralytics}).out, Contains("next: rtdetr convert weights="));
}

TEST_CASE("files that are cut, hostile or of something else give exit code 4 and leave nothing") {
  const TemporaryFolder folder, sources;
  const fs::path output = folder / "model.safetensors";
  const auto whole = read_binary_file(kUltralytics);
  for (const double share : {0.0, 0.1, 0.5, 0.9, 0.999}) {
    const fs::path cut = sources / "cut.pt";
    std::ofstream(cut, std::ios::binary)
        .write(reinterpret_cast<const char*>(whole.data()),
               static_cast<std::streamsize>(static_cast<double>(whole.size()) * share));
    check_refused(convert(cut, output), folder, "cut.pt");
  }
  for (const char* name : {"bad_function_call.pth", "bad_text.pth", "bad_truncated.pth", "bad_offsets.safetensors",
                           "bad_header_length.safetensors", "model_only.pth"})
    check_refused(convert(kFixtures / "pth" / name, output), folder, name);
  fs::create_directory(sources / "empty");
  check_refused(convert(sources / "empty", output), folder, "without model.safetensors");
  check_refused(convert(kInterop / "official_v1_basic.pth", output, {"model=rtdetr_r18vd"}), folder, "does not fit");
}

}  // namespace rtdetr::test
