// Runs the built program: help, mistakes, info.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// On the screen: bytes that do not continue a UTF-8 sequence.
std::size_t letters_of(const std::string& line) {
  return std::count_if(line.begin(), line.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

TEST_CASE("version and help answer on stdout with code 0") {
  const Scratch scratch;
  CHECK_THAT(run(scratch, "version").out, StartsWith("rtdetr "));
  CHECK(document_of(run(scratch, "version json=true")).contains("libtorch"));
  CHECK_THAT(run(scratch, "").out, Contains("rtdetr train"));
  CHECK_THAT(run(scratch, "help train").out, Contains("warmup_steps"));
  CHECK_THAT(run(scratch, "train --help").out, Contains("steps over which the learning rate rises"));
  CHECK_THAT(run(scratch, "help models").out, Contains("AIFI") && Contains("Detect ") && Contains("ViT ") &&
                                                  Contains("PyramidLevel") && Contains("DINO"));
  CHECK_THAT(run(scratch, "help AIFI").out, StartsWith("AIFI: "));
  CHECK_THAT(run(scratch, "licences").out, StartsWith("# What rtdetr is made with") && Contains("| [nettle]") &&
                                               Contains("Apache License") && Contains("END OF TERMS AND CONDITIONS"));
  CHECK(document_of(run(scratch, "help json=true"))["commands"].size() >= 10);
}

TEST_CASE("version, and help that is in its tables, are told without loading LibTorch") {
  const Scratch scratch;
  const auto loads_libtorch = [&](const std::string& words) {
    const std::string log = scratch.file("loaded");
    const std::string line = "LD_DEBUG=files '" RTDETR_PROGRAM "' " + words + " >/dev/null 2>'" + log + "' </dev/null";
    CHECK(std::system(line.c_str()) == 0);
    const std::string loaded = read(log);
    CHECK_THAT(loaded, Contains("libc.so"));
    return loaded.find("libtorch_cpu.so") != std::string::npos;
  };
  for (const char* words : {"", "version", "--version", "help", "--help", "help train", "val --help", "help imgsz conf",
                            "help reference", "licences"}) {
    INFO(words);
    CHECK_FALSE(loads_libtorch(words));
  }
  for (const char* words : {"help AIFI", "version json=true"}) CHECK(loads_libtorch(words));
}

TEST_CASE("what cannot be written is told by the program behind, too") {
  const Scratch scratch;
  const std::string line = "'" RTDETR_PROGRAM "' help train >/dev/full 2>'" + scratch.file("err") + "' </dev/null";
  const int status = std::system(line.c_str());
  CHECK(WEXITSTATUS(status) == 5);
  CHECK_THAT(read(scratch.file("err")), Contains("cannot write to standard output"));
}

TEST_CASE("help and tables fit 80 columns, and use more where there is more") {
  const Scratch scratch;
  const auto longest = [](const std::string& text, const std::string& beginning) {
    std::size_t longest = 0;
    for (const std::string& line : split(text, '\n'))
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
       "format must be one of coco, yolo, voc, cvat, labelme, datumaro, not 'safetensors'"},
      {"convert data=configs/datasets/bccd.yaml format=kitti output=x", 2, "format"},
      {"export model=rtdetr-n.yaml format=yolo output=x", 2,
       "format must be one of safetensors, onnx, official-pth, hf, not 'yolo'"},
      {"predict model=rtdetr-n.yaml source=x save_conf=true", 2, "save_txt=true; give both"},
      {"predict model=rtdetr-n.yaml source=x reduced_jpeg=true", 2, "needs save=false"},
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

TEST_CASE("an installed program names the pages that came along, and no script of the source tree") {
  const Scratch scratch;
  const std::string model = scratch.write("tiny.yaml", kTinyModel);
  const fs::path program = scratch.path / "bin/rtdetr-worker", pages = scratch.path / "share/doc/rtdetr";
  fs::create_directories(program.parent_path());
  fs::copy_file(fs::path(RTDETR_PROGRAM).parent_path() / program.filename(), program);
  fs::create_directories(pages / "docs/howto");
  for (const char* page : {"docs/gpu.md", "docs/howto/coming_from_ultralytics.md"}) std::ofstream(pages / page) << "#";
  const auto refused = [&](const std::string& words) {
    const std::string line = "RTDETR_CUDA_PLUGIN=/nowhere.so '" + program.string() + "' " + words + " 2>'" +
                             scratch.file("stderr") + "' </dev/null";
    CHECK(WEXITSTATUS(std::system(line.c_str())) == 2);
    return read(scratch.file("stderr"));
  };
  CHECK_THAT(refused("tune"), Contains("; " + (pages / "docs/howto/coming_from_ultralytics.md").string() + " says"));
  CHECK_THAT(refused("benchmark imgsz=64 device=0 model=" + model),
             Contains("no GPU half, building from source brings it: " + (pages / "docs/gpu.md").string()) &&
                 !Contains("scripts/"));
}

TEST_CASE("a terminal gets a warning in colour, unless NO_COLOR is set") {
  const Scratch scratch;
  const std::string annotations = scratch.write(
      "a.json",
      R"({"images":[{"id":1,"width":9,"height":9,"file_name":"a.png"}],"categories":[{"id":1,"name":"cat"}],"annotations":[]})");
  const std::string results =
      scratch.write("r.json", R"([{"image_id":1,"category_id":9,"bbox":[0,0,5,5],"score":0.5}])");
  const auto on_terminal = [&](const std::string& environment) {
    const std::string line = environment +
                             " TERM=xterm script -qec \"'" RTDETR_PROGRAM "' coco-eval annotations=" + annotations +
                             " results=" + results + "\" /dev/null >'" + scratch.file("seen") + "' </dev/null";
    REQUIRE(std::system(line.c_str()) == 0);
    return read(scratch.path / "seen");
  };
  const std::string coloured = on_terminal("env -u NO_COLOR"), plain = on_terminal("env NO_COLOR=1");
  CHECK_THAT(coloured, Contains("\x1b[33m"));
  CHECK_THAT(plain, StartsWith("warning: "));
  CHECK_THAT(plain, !Contains("\x1b["));
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
  CHECK(conf["keys"][0]["defaults"] ==
        json({{"val", "0"}, {"predict", "0.5"}, {"benchmark", "0.5"}, {"check", "0.5"}}));
  CHECK(document_of(run(scratch, "help format json=true"))["keys"].size() == 2);
  for (const char* words : {"help val json=true", "val --help json=true"}) {
    const json val = document_of(run(scratch, words));
    REQUIRE(val["commands"].size() == 1);
    CHECK(val["commands"][0]["name"] == "val");
  }
  CHECK(document_of(run(scratch, "help AIFI json=true"))["topic"] == "AIFI");
  CHECK(document_of(run(scratch, "help conf val json=true"))["topics"].size() == 2);
  CHECK_THAT(run(scratch, "help export").out, Contains("official-pth") && Contains("dtype") && !Contains("yolo"));
  CHECK_THAT(run(scratch, "help convert").out, Contains("[one of coco, yolo, voc,"));
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

}  // namespace rtdetr::test
