// Runs the built program: what goes to stdout and stderr, and the exit codes.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/image/picture.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "core/onnx/onnx_file.h"
#include "tests/support/exif_files.h"

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A folder of the test's own; gone with it.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("rtdetr-cli-" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return file(name);
  }
};

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Result {
  int code = -1;
  std::string out, err;
};

Result run(const Scratch& scratch, const std::string& arguments) {
  const std::string out = scratch.file("stdout"), err = scratch.file("stderr");
  const std::string line = "cd '" + std::string(RTDETR_SOURCE_DIR) + "' && '" RTDETR_PROGRAM "' " + arguments + " >'" +
                           out + "' 2>'" + err + "' </dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
}

/// stdout is one JSON document and nothing else.
json document_of(const Result& result) {
  INFO(result.err);
  REQUIRE(result.code == 0);
  return json::parse(result.out);
}

/// A detector of a few thousand parameters, in the language of Ultralytics' YAMLs.
const char* const kTinyModel =
    "nc: 3\n"
    "backbone:\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "head:\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [[2, 3], 1, RTDETRDecoder, [nc, 16, 10, 2, 2, 2, 32]]\n";

/// A copy of a safetensors file with one more entry in its metadata. @return  its name
std::string with_metadata(const std::string& file, const std::string& key, const std::string& value) {
  const rtdetr::SafetensorsReader reader(file);
  std::vector<std::vector<std::byte>> bytes;
  std::vector<rtdetr::TensorView> views;
  for (const rtdetr::TensorEntry& entry : reader.entries()) {
    bytes.emplace_back(entry.bytes);
    reader.read(entry, bytes.back());
    views.push_back({entry.name, entry.type, entry.shape, bytes.back()});
  }
  rtdetr::FileMetadata metadata = reader.metadata();
  metadata[key] = value;
  const std::string copy = file + "-" + key + ".safetensors";
  rtdetr::write_safetensors(copy, views, metadata, {});
  return copy;
}

/// Of a text file's first line.
std::ptrdiff_t columns_of(const fs::path& file) {
  std::istringstream line(read(file).substr(0, read(file).find('\n')));
  return std::distance(std::istream_iterator<std::string>(line), {});
}

/// On the screen: bytes that do not continue a UTF-8 sequence.
std::size_t letters_of(const std::string& line) {
  return std::count_if(line.begin(), line.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

/// Any picture of the bundled samples.
std::string sample_picture() {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(RTDETR_SOURCE_DIR) / "data/samples/bccd"))
    if (entry.path().extension() == ".jpg") return entry.path().string();
  return "";
}

}  // namespace

TEST_CASE("version and help answer on stdout with code 0") {
  const Scratch scratch;
  CHECK_THAT(run(scratch, "version").out, StartsWith("rtdetr "));
  CHECK(document_of(run(scratch, "version json=true")).contains("libtorch"));
  CHECK_THAT(run(scratch, "").out, Contains("rtdetr train"));
  CHECK_THAT(run(scratch, "help train").out, Contains("warmup_steps"));
  CHECK_THAT(run(scratch, "train --help").out, Contains("steps over which the learning rate rises"));
  CHECK_THAT(run(scratch, "help models").out, Contains("AIFI"));
  CHECK_THAT(run(scratch, "help AIFI").out, StartsWith("AIFI: "));
  CHECK(document_of(run(scratch, "help json=true"))["commands"].size() >= 10);
}

TEST_CASE("help and tables fit 80 columns, and use more where there is more") {
  const Scratch scratch;
  const auto longest = [](const std::string& text, const std::string& beginning) {
    std::size_t longest = 0;
    for (const std::string& line : rtdetr::split(text, '\n'))
      if (line.starts_with(beginning)) longest = std::max(longest, letters_of(line));
    return longest;
  };
  const std::string check = "check data=configs/datasets/bccd_overfit8.yaml";
  ::setenv("COLUMNS", "80", 1);
  for (const char* words : {"", "help train", "help val", "help check", "help models", "help AIFI",
                            "help RTDETRDecoder", "help resume", "help cfg"}) {
    const Result result = run(scratch, words);
    INFO(words << "\n" << result.out);
    CHECK(longest(result.out, "") <= 80);
  }
  for (const std::string& words : {check, std::string("info model=rtdetr-n.yaml imgsz=64")}) {
    const Result result = run(scratch, words);
    INFO(words << "\n" << result.out);
    CHECK(longest(result.out, "  ") <= 80);
    CHECK_THAT(result.err, !Contains("0:00 left"));
  }
  ::setenv("COLUMNS", "160", 1);
  CHECK(longest(run(scratch, "help train").out, "") > 90);
  CHECK(longest(run(scratch, check).out, "  ") > 120);
  ::unsetenv("COLUMNS");
}

TEST_CASE("the reference page is what the program says") {
  const Scratch scratch;
  const Result page = run(scratch, "help reference");
  REQUIRE(page.code == 0);
  CHECK(page.out == read(fs::path(RTDETR_SOURCE_DIR) / "docs/reference/commands.md"));
}

TEST_CASE("mistakes are one line each on stderr, nothing on stdout, and their own exit code") {
  const Scratch scratch;
  const std::string garbage = scratch.write("garbage.safetensors", "this is not a model");
  const std::string broken_yaml = scratch.write("broken.yaml", "nc: 3\nbackbone: [[-1, 1, Convv, [8]]]\nhead: []\n");
  const std::string broken_json = scratch.write("broken.json", "{\"images\": [");
  const std::string archive = scratch.write("set.zip", "PK");
  fs::create_directory(scratch.path / "set");
  const std::string only_yaml = scratch.write("set/cats.yaml", "names: [cat]\n");
  const std::string pytorch = scratch.write("best.pt", "PK\x03\x04 best/data.pkl");
  const std::string page = scratch.write("page.yaml", "<!doctype html><html></html>\n");
  struct Row {
    std::string arguments;
    int code;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"trian", 2, "did you mean 'train'"},
      {"train model=rtdetr_r18vd.yaml data=d.yaml epoches=3", 2, "did you mean 'epochs'"},
      {"train model=rtdetr_r18vd.yaml data=configs/datasets/bccd.yaml device=cuda", 2, "device=cuda"},
      {"predict model=rtdetr_r18vd.yaml source=" + sample_picture(), 2, "has no trained weights"},
      {"predict model=" + garbage + " source=/nowhere", 2, "no such file or folder"},
      {"info model=" + garbage, 4, garbage},
      {"info model=" + pytorch, 4, "is not a sound zip archive of PyTorch's"},
      {"val data=configs/datasets/bccd.yaml model=" + pytorch, 4, "is not a sound zip archive of PyTorch's"},
      {"train data=configs/datasets/bccd.yaml model=" + pytorch, 4, "is a PyTorch checkpoint"},
      {"train data=configs/datasets/bccd.yaml model=rtdetr-n.yaml weights=" + pytorch, 4, "is not a sound zip archive"},
      {"info model=" + page, 4, "is a web page"},
      {"info model=rtdetr-x.yamll", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"info model=rtdetr-xx", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"train model=rtdetr-x.yamll data=configs/datasets/bccd.yaml", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"val model=rtdetr-x.yamll data=configs/datasets/bccd.yaml", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"predict model=rtdetr-x.yamll source=configs", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"export model=rtdetr-x.yamll format=safetensors output=x.safetensors", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"benchmark model=rtdetr-x.yamll", 2, "did you mean 'rtdetr-x.yaml'?"},
      {"info model=" + scratch.file("garbag.safetensors"), 2, "no such file; did you mean '" + garbage + "'?"},
      {"info model=" + scratch.path.string(), 2, "is a folder"},
      {"info model=" + broken_yaml, 4, "did you mean 'Conv'"},
      {"coco-eval annotations=" + broken_json + " results=" + broken_json, 3, broken_json},
      {"coco-eval annotations=/nowhere.json results=/nowhere.json", 2, "/nowhere.json"},
      {"check data=" + broken_yaml, 2, broken_yaml},
      {"check data=data/samples", 2, "data=data/samples (command line) is a folder"},
      {"check data=" + scratch.file("set"), 2, "did you mean '" + only_yaml + "'?"},
      {"train model=rtdetr_r18vd.yaml data=" + broken_json, 2, "is an annotation file; write a YAML"},
      {"convert format=coco output=x data=" + archive, 2, "is an archive; unpack it"},
      {"help epochz", 2, "did you mean 'epochs'"},
      {"convert data=configs/datasets/bccd.yaml format=safetensors output=x", 2,
       "format must be one of coco, yolo, not 'safetensors'"},
      {"convert data=configs/datasets/bccd.yaml format=voc output=x", 2, "format"},
      {"export model=rtdetr-n.yaml format=yolo output=x", 2,
       "format must be one of safetensors, onnx, official-pth, hf, not 'yolo'"},
      {"predict model=rtdetr-n.yaml source=x save_conf=true", 2, "save_txt=true; give both"},
      {"convert data=configs/datasets/bccd.yaml format=yolo output=configs", 2, "is there already; name a new folder"},
  };
  for (const Row& row : rows) {
    const Result result = run(scratch, row.arguments);
    INFO(row.arguments << "\n" << result.err);
    CHECK(result.code == row.code);
    CHECK(result.out == "");
    CHECK_THAT(result.err, StartsWith("rtdetr: error: "));
    CHECK_THAT(result.err, Contains(row.says));
  }
}

TEST_CASE("with json=true an error is a document on stdout, and a line on stderr as ever") {
  const Scratch scratch;
  const std::string broken_json = scratch.write("broken.json", "{\"images\": [");
  const std::string recipe = scratch.write("recipe.yaml", "json: true\nepoches: 3\n");
  struct Row {
    std::string arguments;
    int code;
    std::string kind, says;
  };
  const std::vector<Row> rows = {
      {"trian json=true", 2, "usage", "did you mean 'train'"},
      {"--json=True train model=x data=y", 2, "usage", "the command comes first"},
      {"train model=a data=b epoches=3 lr=1 json=true", 2, "usage", "unknown key 'epoches'"},
      {"train model=a data=b cfg=" + recipe, 2, "usage", "recipe.yaml:2"},
      {"help epochz json=true", 2, "usage", "did you mean 'epochs'"},
      {"coco-eval json=true annotations=" + broken_json + " results=" + broken_json, 3, "data", broken_json},
      {"info json=true model=" + broken_json, 4, "model", broken_json},
  };
  for (const Row& row : rows) {
    const Result result = run(scratch, row.arguments);
    INFO(row.arguments << "\n" << result.out << result.err);
    CHECK(result.code == row.code);
    CHECK_THAT(result.err, StartsWith("rtdetr: error: ") && Contains(row.says));
    const json error = json::parse(result.out)["error"];
    CHECK(error["exit_code"] == row.code);
    CHECK(error["kind"] == row.kind);
    CHECK_THAT(error["message"].get<std::string>(), Contains(row.says));
  }
  CHECK(run(scratch, "trian json=false").out == "");
}

TEST_CASE("help about one word is that word's alone as JSON, too") {
  const Scratch scratch;
  const json conf = document_of(run(scratch, "help conf json=true"));
  REQUIRE(conf["keys"].size() == 1);
  CHECK(conf["keys"][0]["name"] == "conf");
  CHECK(conf["keys"][0]["defaults"] == json({{"val", "0"}, {"predict", "0.5"}}));
  CHECK(document_of(run(scratch, "help format json=true"))["keys"].size() == 2);
  for (const char* words : {"help val json=true", "val --help json=true"}) {
    const json val = document_of(run(scratch, words));
    REQUIRE(val["commands"].size() == 1);
    CHECK(val["commands"][0]["name"] == "val");
  }
  CHECK(document_of(run(scratch, "help AIFI json=true"))["topic"] == "AIFI");
  CHECK(document_of(run(scratch, "help conf val json=true"))["topics"].size() == 2);
  CHECK_THAT(run(scratch, "help export").out, Contains("official-pth") && Contains("dtype") && !Contains("yolo"));
  CHECK_THAT(run(scratch, "help convert").out, Contains("[one of coco, yolo]"));
}

TEST_CASE("info counts the same as its rows, with one document on stdout") {
  const Scratch scratch;
  const std::string model = scratch.write("tiny.yaml", kTinyModel);
  const json info = document_of(run(scratch, "info model=" + model + " imgsz=64,96 json=true"));
  std::int64_t of_rows = 0, of_parts = 0;
  for (const json& row : info["rows"]) of_rows += row["params"].get<std::int64_t>();
  for (const json& part : info["parts"]) of_parts += part.get<std::int64_t>();
  CHECK(info["rows"].size() == 5);
  CHECK(info["params"] == of_rows);
  CHECK(info["params"] == of_parts);
  CHECK(info["params_fused"] < info["params"]);
  CHECK(info["gflops"] > 0);
  CHECK(info["imgsz"] == json({64, 96}));
  CHECK_FALSE(info.contains("state_hash"));
}

TEST_CASE("an exported YAML is a fused model that predicts, and is never written over itself") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), file = scratch.file("tiny.safetensors");
  const std::string again = scratch.file("again.safetensors");
  const std::string to_file = "export model=" + yaml + " format=safetensors imgsz=64 json=true output=";
  const json exported = document_of(run(scratch, to_file + file));
  CHECK(exported["output"] == file);
  CHECK(exported["max_abs_diff"] < 1e-4);
  document_of(run(scratch, to_file + again));

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

  const auto names = [](const std::vector<rtdetr::OnnxValueInfo>& values) {
    std::vector<std::string> result;
    for (const rtdetr::OnnxValueInfo& value : values) result.push_back(value.name);
    return result;
  };
  const rtdetr::OnnxModel model = rtdetr::read_onnx(file);
  CHECK(names(model.graph.inputs) == std::vector<std::string>{"images", "orig_target_sizes"});
  CHECK(names(model.graph.outputs) == std::vector<std::string>{"labels", "boxes", "scores"});
  CHECK(json::parse(model.metadata.at("names")).size() == 3);
  CHECK(json::parse(model.metadata.at("imgsz")) == json({64, 96}));
  CHECK_THAT(model.metadata.at("preprocessing"), Contains("64 rows and 96 columns") && Contains("divided by 255"));

  document_of(run(scratch, to_file + " outputs=raw"));
  CHECK(names(rtdetr::read_onnx(file).graph.outputs) == std::vector<std::string>{"logits", "pred_boxes"});
  document_of(run(scratch, to_file + " outputs=ultralytics"));
  CHECK(names(rtdetr::read_onnx(file).graph.outputs) == std::vector<std::string>{"output0"});
  for (const auto& entry : fs::directory_iterator(scratch.path))
    CHECK_THAT(entry.path().filename().string(), !Contains(".tmp-"));
}

TEST_CASE("predict names unreadable pictures, goes on, and ends with code 3") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  fs::create_directory(scratch.path / "in");
  fs::copy_file(sample_picture(), scratch.path / "in/good.jpg");
  const std::string out = " project=" + scratch.file("out") + " conf=0 save_txt=true save_json=true json=true";

  const json clean = document_of(run(scratch, "predict model=" + model + " source=" + scratch.file("in") + out));
  REQUIRE(clean["pictures"].size() == 1);
  const json& picture = clean["pictures"][0];
  CHECK(picture["width"] == 640);
  CHECK(picture["height"] == 480);
  CHECK(picture["detections"].size() == clean["detections"]);
  CHECK(picture["detections"][0]["box"].size() == 4);
  CHECK(clean["folder"] == scratch.file("out/exp"));
  for (const char* file : {"out/exp/good.jpg", "out/exp/labels/good.txt", "out/exp/detections.json"})
    CHECK(fs::exists(scratch.path / file));
  CHECK(columns_of(scratch.path / "out/exp/labels/good.txt") == 5);

  const std::string scored = "predict save_conf=true model=" + model + " source=" + scratch.file("in") + out;
  CHECK(document_of(run(scratch, scored))["folder"] == scratch.file("out/exp-2"));
  CHECK(columns_of(scratch.path / "out/exp-2/labels/good.txt") == 6);

  scratch.write("in/bad.jpg", "no picture");
  const Result result = run(scratch, "predict model=" + model + " source=" + scratch.file("in") + out);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, Contains("bad.jpg"));
  const json mixed = json::parse(result.out);
  CHECK(mixed["pictures"].size() == 1);
  CHECK(mixed["unreadable"].size() == 1);
  CHECK(mixed["folder"] == scratch.file("out/exp-3"));
}

TEST_CASE("predict reads a picture that its decoder warns of, and max_pixels= says how large one may be") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  std::string bytes = rtdetr::read_text_file(sample_picture());
  scratch.write("odd.jpg", bytes.insert(bytes.size() - 2, 40, 'x'));
  const std::string command = "predict save=false model=" + model + " source=" + scratch.file("odd.jpg");
  const Result read = run(scratch, command);
  CHECK(read.code == 0);
  CHECK_THAT(read.err, Contains("1 picture is read whole, though the decoder warns: extraneous bytes"));
  const Result refused = run(scratch, command + " max_pixels=307199");
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, Contains("claims 640x480 = 307,200 pixels") && Contains("max_pixels=307200 reads it"));
}

TEST_CASE("predict turns pictures upright only when exif=true asks for it") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  const std::string picture =
      scratch.write("turned.jpg", rtdetr::test::with_exif(read(sample_picture()), rtdetr::test::exif_text(6, true)));
  const std::string line =
      "predict json=true conf=0 model=" + model + " source=" + picture + " project=" + scratch.file("out") + " exif=";
  const json stored = document_of(run(scratch, line + "false"))["pictures"][0];
  CHECK(stored["width"] == 640);
  const json upright = document_of(run(scratch, line + "true"))["pictures"][0];
  CHECK(upright["width"] == 480);
  CHECK(upright["height"] == 640);
  CHECK(upright["detections"] != stored["detections"]);
  CHECK(rtdetr::read_picture_size(scratch.path / "out/exp-2/turned.jpg").width == 480);
}

TEST_CASE("predict takes the score that the model file names, and says so; conf= is another") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  const std::string source = " save=false source=" + sample_picture();
  const json plain = document_of(run(scratch, "predict json=true model=" + model + source));
  CHECK(plain["conf"] == 0.5);
  CHECK(plain["conf_is_best_f1"] == false);
  const std::string validated = with_metadata(model, "best_confidence", "0.01"),
                    exported = scratch.file("e.safetensors");
  document_of(run(scratch, "export json=true model=" + validated + " format=safetensors output=" + exported));
  for (const std::string& file : {validated, exported}) {
    const json best = document_of(run(scratch, "predict json=true model=" + file + source));
    CHECK(best["conf"] == 0.01);
    CHECK(best["conf_is_best_f1"] == true);
    CHECK(best["detections"] > plain["detections"]);
    CHECK_THAT(run(scratch, "predict model=" + file + source).out,
               Contains("of at least 0.01 (best F1 on val; conf= changes it) in 1 picture"));
    CHECK(document_of(run(scratch, "predict json=true conf=0.5 model=" + file + source))["conf"] == 0.5);
  }
  CHECK_THAT(run(scratch, "info model=" + exported).out, Contains("F1 on val best at confidence 0.01"));
}

TEST_CASE("val and predict resize pictures as the model file says; resample= is another") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  const std::string other = with_metadata(model, "resample", "opencv"), exported = scratch.file("e.safetensors");
  document_of(run(scratch, "export json=true model=" + other + " format=safetensors output=" + exported));
  const auto found = [&](const std::string& more) {
    return document_of(run(scratch, "predict json=true save=false conf=0 source=" + sample_picture() +
                                        " model=" + more))["pictures"][0]["detections"];
  };
  CHECK(found(other) != found(model));
  CHECK(found(other) == found(model + " resample=opencv"));
  CHECK(found(exported) == found(other));
  CHECK(found(other + " resample=pillow") == found(model));
}

TEST_CASE("train, val, predict and benchmark compute in the type of amp=, and say so") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("runs/exp/best.safetensors");
  rtdetr::write_picture(scratch.file("p.png"), rtdetr::Picture(32, 32));
  scratch.write("p.txt", "0 0.5 0.5 0.5 0.5\n");
  const std::string data = " data=" + scratch.write("d.yaml", "train: .\nval: .\nnames: [cat]\n");
  const Result trained =
      run(scratch, "train epochs=2 batch=1 workers=0 threads=1 imgsz=64 plots=false amp=fp16 model=" + yaml + data +
                       " project=" + scratch.file("runs"));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.err, Contains("precision  amp=fp16: the model runs in fp16 autocast"));
  CHECK_THAT(read(scratch.path / "runs/exp/log.jsonl"), Contains("\"loss_scale\":"));

  const std::string predict = "predict json=true save=false conf=0 source=" + sample_picture() + " model=" + model;
  const json whole = document_of(run(scratch, predict))["pictures"][0]["detections"];
  for (const std::string amp : {"bf16", "fp16"}) {
    const Result half = run(scratch, predict + " amp=" + amp);
    const json found = document_of(half)["pictures"][0]["detections"];
    CHECK_THAT(half.err, Contains("amp=" + amp + ": the model runs in " + amp + " autocast"));
    REQUIRE(found.size() == whole.size());
    CHECK(found != whole);
    CHECK(found[0]["score"].get<double>() == Approx(whole[0]["score"].get<double>()).epsilon(0.02));
    const std::string of_model = " json=true model=" + model + " amp=" + amp;
    CHECK(document_of(run(scratch, "benchmark runs=1" + of_model))["precision"] == amp);
    CHECK(document_of(run(scratch, "val plots=false" + data + of_model))["precision"] == amp);
  }
  CHECK(document_of(run(scratch, "val plots=false json=true model=" + model + data))["precision"] == "fp32");
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

TEST_CASE("a run by the clock says what it fits to the steps that the machine makes, in its folder too") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel);
  const Result result = run(scratch,
                            "train data=bccd_overfit8 imgsz=64 batch=4 workers=0 threads=1 plots=false time=0.0001 "
                            "val_every=3 model=" +
                                yaml + " project=" + scratch.file("runs"));
  INFO(result.err);
  REQUIRE(result.code == 0);
  CHECK_THAT(result.err, Contains("fitted to about ") && Contains("warmup_steps 2000 -> "));
  CHECK_THAT(result.err, Contains("learns little in about "));
  CHECK_THAT(read(scratch.path / "runs/exp/args.yaml"),
             Contains("warmup_steps: 2000\n") && Contains("# fitted to the length of this run: warmup_steps: "));
}

TEST_CASE(
    "check ends with a line that can be pasted: the recipe for so few pictures, in quotes where they are needed") {
  const Scratch scratch;
  CHECK_THAT(run(scratch, "check data=bccd_overfit8 imgsz=320").out,
             Contains("next: rtdetr train cfg=small-data data=") && Contains("bccd_overfit8.yaml imgsz=320\n"));
  fs::create_directories(scratch.path / "my data");
  const std::string copy =
      scratch.write("my data/set.yaml", "path: " + std::string(RTDETR_SOURCE_DIR) +
                                            "/data/samples/bccd\ntrain: {images: images, annotations: "
                                            "annotations/instances_test.json}\n");
  CHECK_THAT(run(scratch, "check data='" + copy + "'").out, Contains("cfg=small-data data='" + copy + "'\n"));
}

TEST_CASE("decoder_layers cuts the model at predict and export") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  const std::string cut = scratch.file("cut.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
  CHECK(document_of(run(scratch, "export model=" + model + " format=safetensors decoder_layers=1 json=true output=" +
                                     cut))["decoder_layers"] == 1);
  CHECK(document_of(run(scratch, "info model=" + cut + " json=true"))["decoder_layers"] == 1);
  const std::string source = " save=false json=true source=" + sample_picture();
  CHECK(document_of(run(scratch, "predict decoder_layers=1 model=" + model + source))["decoder_layers"] == 1);
  const Result refused = run(scratch, "predict decoder_layers=3 model=" + model + source);
  CHECK(refused.code == 2);
}

TEST_CASE("benchmark gives the spread of every stage") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel);
  const json result =
      document_of(run(scratch, "benchmark model=" + yaml + " imgsz=64 batch=2 threads=1 runs=3 json=true"));
  for (const char* stage : {"decode_ms", "preprocess_ms", "model_ms", "postprocess_ms"}) {
    CHECK(result[stage]["min"] > 0);
    CHECK(result[stage]["min"] <= result[stage]["p50"]);
    CHECK(result[stage]["p50"] <= result[stage]["p95"]);
    CHECK(result[stage]["p95"] <= result[stage]["p99"]);
  }
  CHECK(result["peak_mib"] > 1);
}

TEST_CASE("a converted data set counts like the original") {
  const Scratch scratch;
  const std::string yolo = scratch.file("yolo");
  const json done = document_of(
      run(scratch, "convert data=configs/datasets/bccd_overfit8.yaml format=yolo json=true output=" + yolo));
  CHECK(done["splits"][0]["boxes"] == 146);
  const json before = document_of(run(scratch, "check data=configs/datasets/bccd_overfit8.yaml json=true"));
  const json after = document_of(run(scratch, "check json=true data=" + done["data"].get<std::string>()));
  CHECK(before["splits"][0]["boxes_per_class"] == after["splits"][0]["boxes_per_class"]);
  CHECK(before["names"] == after["names"]);
}

TEST_CASE("check counts a clean data set and refuses a broken one") {
  const Scratch scratch;
  fs::create_directory(scratch.path / "images");
  fs::copy_file(sample_picture(), scratch.path / "images/a.jpg");
  const std::string images = " json=true images=" + scratch.file("images") + " annotations=";
  const std::string good = scratch.write("good.json",
                                         R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
          "categories": [{"id": 5, "name": "cell"}],
          "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [10, 10, 50, 40], "area": 2000, "iscrowd": 0}]})");
  const json report = document_of(run(scratch, "check" + images + good));
  CHECK(report["splits"][0]["pictures"] == 1);
  CHECK(report["splits"][0]["boxes"] == 1);
  CHECK(report["names"] == json({"cell"}));
  CHECK(report["problems"].empty());

  const std::string missing =
      scratch.write("missing.json", R"({"images": [{"id": 1, "file_name": "gone.jpg", "width": 640, "height": 480}],
                          "categories": [{"id": 5, "name": "cell"}], "annotations": []})");
  const Result result = run(scratch, "check" + images + missing);
  CHECK(result.code == 3);
  CHECK_FALSE(json::parse(result.out)["problems"].empty());
}

TEST_CASE("only a run that was validated sends its user to val") {
  const Scratch scratch;
  const std::string model = scratch.write("tiny.yaml", kTinyModel);
  for (const int i : {0, 1}) {
    rtdetr::write_picture(scratch.file("p" + std::to_string(i) + ".png"), rtdetr::Picture(32, 32));
    scratch.write("p" + std::to_string(i) + ".txt", "0 0.5 0.5 0.5 0.5\n");
  }
  const auto closing_of = [&](const std::string& splits) {
    const std::string data = scratch.write("d.yaml", splits + "names: [cat]\n");
    const Result result =
        run(scratch, "train model=" + model + " data=" + data + " imgsz=64 epochs=1 batch=2 workers=0 threads=1 " +
                         "plots=false exist_ok=true project=" + scratch.path.string());
    INFO(result.err);
    CHECK(result.code == 0);
    return result.out;
  };
  CHECK_THAT(closing_of("train: .\n"), Contains("the last weights") && !Contains("rtdetr val"));
  CHECK_THAT(closing_of("train: .\nval: .\n"), Contains("weights of the best epoch") && Contains("rtdetr val"));
}
