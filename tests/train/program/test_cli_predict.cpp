// Runs the built program: predict, and what it and val take from a model file.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "core/io/file.h"
#include "tests/support/data_files.h"
#include "tests/support/exif_files.h"
#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// Of a text file's first line.
std::ptrdiff_t columns_of(const fs::path& file) {
  std::istringstream line(read(file).substr(0, read(file).find('\n')));
  return std::distance(std::istream_iterator<std::string>(line), {});
}

}  // namespace

TEST_CASE("predict names unreadable pictures, goes on, and ends with code 3") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
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
  const std::string model = exported_model(scratch);
  std::string bytes = read_text_file(sample_picture());
  scratch.write("odd.jpg", bytes.insert(bytes.size() - 2, 40, 'x'));
  const std::string command = "predict save=false model=" + model + " source=" + scratch.file("odd.jpg");
  const Result read = run(scratch, command);
  CHECK(read.code == 0);
  CHECK_THAT(read.err, Contains("1 picture is read whole, though the decoder warns: extraneous bytes"));
  const Result refused = run(scratch, command + " max_pixels=307199");
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, Contains("claims 640x480 = 307,200 pixels") && Contains("max_pixels=307200 reads it"));
}

TEST_CASE("what predict proposes next was not asked for yet, and repeats no long list") {
  const Scratch scratch;
  const std::string picture = sample_picture(), list = picture + "," + picture;
  const std::string model = exported_model(scratch);
  const std::string line = "predict save=false project=" + scratch.file("out") + " model=" + model;
  CHECK_THAT(
      run(scratch, line + " source=data/samples/bccd/images/BloodImage_00000.jpg").out,
      Contains(" source=data/samples/bccd/images/BloodImage_00000.jpg ") && Contains(" conf=0.3 save_txt=true\n"));
  CHECK_THAT(run(scratch, line + " save_txt=true source=" + list).out,
             Contains(" source=" + picture + ",… ") && Contains(" conf=0.3\n"));
  const std::string asked = run(scratch, line + " save_txt=true classes=0 max_det=7 tile=320 source=" + picture).out;
  for (const char* kept : {" classes=0 ", " max_det=7 ", " tile=320 ", " save=false "})
    CHECK_THAT(asked, Contains("\nnext: ") && Contains(kept));
  CHECK_THAT(run(scratch, line + " source=" + scratch.write("torn.jpg", "x")).out, !Contains("next:"));
  CHECK_THAT(run(scratch, line + " save_txt=true conf=0.2 source=" + picture).out, !Contains("next:"));
  const std::string knowing = "predict save=false save_txt=true project=" + scratch.file("out") + " source=" + picture +
                              " model=" + with_metadata(model, "best_confidence", "0.41372");
  CHECK_THAT(run(scratch, knowing).out, !Contains("next:"));  // 0.41372 counted
  CHECK_THAT(run(scratch, knowing + " conf=0.2").out, Contains(" conf=0.41\n"));
  CHECK_THAT(run(scratch, knowing + " conf=0.41").out, !Contains("next:"));
}

TEST_CASE("predict turns pictures upright only when exif=true asks for it") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string picture = scratch.write("turned.jpg", with_exif(read(sample_picture()), exif_text(6, true)));
  const std::string line =
      "predict json=true conf=0 model=" + model + " source=" + picture + " project=" + scratch.file("out") + " exif=";
  const json stored = document_of(run(scratch, line + "false"))["pictures"][0];
  CHECK(stored["width"] == 640);
  const json upright = document_of(run(scratch, line + "true"))["pictures"][0];
  CHECK(upright["width"] == 480);
  CHECK(upright["height"] == 640);
  CHECK(upright["detections"] != stored["detections"]);
  CHECK(read_picture_size(scratch.path / "out/exp-2/turned.jpg").width == 480);
}

TEST_CASE("predict takes the score that the model file names, and says so; conf= is another") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
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
  const std::string model = exported_model(scratch);
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

TEST_CASE("val and predict fit pictures into the input as the model file says; fit= is another") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string other = with_metadata(model, "fit", "letterbox"), exported = scratch.file("e.safetensors");
  document_of(run(scratch, "export json=true model=" + other + " format=safetensors output=" + exported));
  const auto found = [&](const std::string& more) {
    return document_of(run(scratch, "predict json=true save=false conf=0 source=" + sample_picture() +
                                        " model=" + more))["pictures"][0]["detections"];
  };
  CHECK(found(other) != found(model));
  CHECK(found(other) == found(model + " fit=letterbox"));
  CHECK(found(exported) == found(other));
  CHECK(found(other + " fit=stretch") == found(model));
}

TEST_CASE("a training says where its pictures come in another form than those of its weights") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), run_folder = scratch.file("runs");
  const std::string train =
      "train data=configs/datasets/bccd_overfit8.yaml imgsz=64 batch=4 epochs=1 workers=0 threads=1 "
      "plots=false amp=off model=" +
      yaml + " project=" + run_folder;
  REQUIRE(run(scratch, train + " name=first fit=letterbox").code == 0);
  const std::string more = train + " check=true weights=" + scratch.file("runs/first/best.safetensors");
  CHECK_THAT(run(scratch, more).err,
             Contains("have learnt from pictures under fit=letterbox, and this run has fit=stretch"));
  for (const char* said : {" fit=stretch", " fit=letterbox"})
    CHECK_THAT(run(scratch, more + said).err, !Contains("have learnt from pictures under"));
}

TEST_CASE("predict reads several sources, and a picture or a list from standard input") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  fs::create_directory(scratch.path / "in");
  fs::copy_file(sample_picture(), scratch.path / "in/a.jpg");
  fs::copy_file(sample_picture(), scratch.path / "in/b.jpg");
  const std::string line = "predict json=true conf=0 project=" + scratch.file("out") + " model=" + model + " source=",
                    a = scratch.file("in/a.jpg"), b = scratch.file("in/b.jpg");
  const json two = document_of(run(scratch, line + a + "," + scratch.file("in/b*")));
  REQUIRE(two["pictures"].size() == 2);
  CHECK(two["pictures"][1]["file"] == b);

  const json piped = document_of(run(scratch, line + "-", a));
  REQUIRE(piped["pictures"].size() == 1);
  CHECK(piped["pictures"][0]["file"] == "-");
  CHECK(piped["pictures"][0]["detections"] == two["pictures"][0]["detections"]);
  CHECK(fs::exists(scratch.path / "out/exp-2/stdin.jpg"));

  const std::string list = scratch.write("list", a + "\n/nowhere/c.jpg\n" + b + "\n");
  const Result listed = run(scratch, line + "-", list);
  CHECK(listed.code == 3);
  CHECK(json::parse(listed.out)["pictures"].size() == 2);
  CHECK(json::parse(listed.out)["unreadable"][0]["file"] == "/nowhere/c.jpg");

  const Result cut = run(scratch, line + "-", scratch.write("cut", read(a).substr(0, 9000)));
  CHECK(cut.code == 3);
  CHECK_THAT(cut.err, Contains("standard input"));
  CHECK(run(scratch, line + "-").code == 2);
  CHECK(run(scratch, line + a + ",/nowhere/c.jpg").code == 2);
}

TEST_CASE("predict cuts objects out into a folder for each class") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string named = with_metadata(model, "names", R"(["..","b/c","cell"])");
  const json found = document_of(
      run(scratch, "predict json=true conf=0 max_det=7 save=false save_crop=true source=" + sample_picture() +
                       " project=" + scratch.file("out") + " model=" + named))["pictures"][0]["detections"];
  REQUIRE(found.size() == 7);
  const std::string stem = fs::path(sample_picture()).stem().string();
  std::map<std::string, int> seen;
  for (const json& object : found) {
    const std::string name = object["name"] == ".." ? "_.." : object["name"] == "b/c" ? "b_c" : object["name"];
    const int number = ++seen[name];
    const fs::path crop =
        scratch.path / "out/exp/crops" / name / (stem + (number == 1 ? "" : "-" + std::to_string(number)) + ".jpg");
    REQUIRE(fs::exists(crop));
    const double width = std::ceil(double(object["box"][2])) - std::floor(double(object["box"][0]));
    CHECK(read_picture_size(crop).width == std::max(width, 1.0));
  }
  CHECK_FALSE(fs::exists(scratch.path / "out/exp" / (stem + ".jpg")));
}

TEST_CASE("predict finds chosen classes, one class per query, or with fewer queries") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string named = with_metadata(model, "names", R"(["red","white","7"])"),
                    line = "predict json=true save=false conf=0 source=" + sample_picture() + " model=" + named;
  const auto found = [&](const std::string& more) {
    return document_of(run(scratch, line + " " + more))["pictures"][0]["detections"];
  };
  const json all = found("");
  REQUIRE(all.size() == 30);  // 10 queries of 3 classes
  json two = json::array();
  for (const json& object : all)
    if (object["class"] != 1) two.push_back(object);
  CHECK(found("classes=red,2") == two);
  CHECK(found("classes=7,0") == two);  // a name before a number
  CHECK(found("one_class_per_query=true").size() == 10);
  CHECK(found("num_queries=4").size() == 12);
  CHECK(found("num_queries=4 engine=off").size() == 12);
  CHECK(found("max_det=5").size() == 5);
  const Result wrong = run(scratch, line + " classes=whit,3");
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, Contains("'whit' is no class of this model") && Contains("did you mean 'white'") &&
                            Contains("'3' is no class"));
}

TEST_CASE("iou= and agnostic_nms= say what goes of a YOLO's detections, and an RT-DETR's are not suppressed") {
  const Scratch scratch;
  const std::string yaml = scratch.file("yolo.yaml"), model = scratch.file("yolo.safetensors");
  test::write_file(yaml,
                   "nc: 2\nbackbone:\n  - [-1, 1, Conv, [8, 3, 8]]\n  - [-1, 1, Conv, [8, 3, 4]]\n"
                   "head:\n  - [[1], 1, Detect, [nc]]\n");  // a map of stride 32, whose first scores are 0.006
  REQUIRE(run(scratch, "export format=safetensors imgsz=64 model=" + yaml + " output=" + model).code == 0);
  const auto count = [&](const std::string& more) {
    return document_of(run(scratch, "predict json=true save=false imgsz=320 conf=0 source=" + sample_picture() +
                                        " model=" + model + " " + more))["pictures"][0]["detections"]
        .size();
  };
  const std::size_t by_file = count(""), all = count("iou=1"), few = count("iou=0.1"),
                    fewer = count("iou=0.1 agnostic_nms=true");
  CHECK(all >= by_file);
  CHECK(by_file > few);
  CHECK(few > fewer);
  const std::string detr = exported_model(scratch);
  for (const char* line : {"predict save=false source=", "benchmark runs=1 source="}) {
    const Result refused = run(scratch, line + sample_picture() + " iou=0.5 model=" + detr);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains("iou=0.5") && Contains("each query of this model is one detection"));
  }
}

TEST_CASE("predict and val take large pictures tile by tile") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string line = "predict json=true save=false conf=0 source=" + sample_picture() + " model=" + model;
  const auto found = [&](const std::string& more) {
    return document_of(run(scratch, line + " " + more))["pictures"][0]["detections"];
  };
  CHECK(found("tile=640") == found(""));  // the picture is 640 by 480
  const json tiled = found("tile=320 max_det=1000");
  CHECK(tiled.size() > 30);
  const json batched = found("tile=320 max_det=1000 batch=3");  // whose scores may be rounded otherwise
  REQUIRE(batched.size() == tiled.size());
  for (std::size_t i = 0; i < tiled.size(); ++i)
    CHECK(batched[i]["score"].get<double>() == Approx(tiled[i]["score"].get<double>()).margin(1e-6));
  CHECK(found("tile=320 max_det=1000 tile_whole=false") != tiled);
  CHECK(found("tile=320 max_det=1000 overlap=0.5") != tiled);
  for (const char* wrong : {"tile=31", "overlap=0.3", "tile=320 reduced_jpeg=true", "tile=320 overlap=0.95"})
    CHECK(run(scratch, line + " " + wrong).code == 2);

  const std::string named = with_metadata(model, "names", R"(["RBC","WBC","Platelets"])");
  const auto scores_of = [&](const std::string& more) {
    const json document = document_of(run(scratch, "val json=true plots=false save_json=true data=bccd model=" + named +
                                                       " project=" + scratch.file("val") + " " + more));
    std::vector<double> scores;
    for (const json& object : json::parse(read(std::string(document["folder"]) + "/predictions.json")))
      scores.push_back(object["score"]);
    std::ranges::sort(scores);
    return scores;
  };
  const std::vector<double> plain = scores_of("");
  REQUIRE(plain.size() == 87 * 30);
  const std::vector<double> one_tile = scores_of("tile=640");
  REQUIRE(one_tile.size() == plain.size());
  for (std::size_t i = 0; i < plain.size(); i += 97) CHECK(one_tile[i] == Approx(plain[i]).margin(1e-5));
  CHECK(scores_of("tile=320").size() > plain.size());
  CHECK(scores_of("classes=RBC").size() == 87 * 10);
}

TEST_CASE("predict never writes over a source") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  fs::create_directories(scratch.path / "photos/crops/0");
  fs::copy_file(sample_picture(), scratch.path / "photos/a.jpg");
  fs::copy_file(sample_picture(), scratch.path / "photos/crops/0/b.jpg");
  fs::create_directories(scratch.path / "links");
  fs::create_symlink(scratch.path / "photos/a.jpg", scratch.path / "links/a.jpg");
  const std::string before = read(scratch.path / "photos/a.jpg"),
                    line = "predict json=true conf=0 max_det=3 model=" + model + " project=" + scratch.file("") +
                           " name=photos exist_ok=true source=";
  for (const std::string& source : {scratch.file("photos"), scratch.file("photos/../photos/a.jpg"),
                                    scratch.file("links/a.jpg"), scratch.file("photos/crops/0") + " save_crop=true"}) {
    const Result refused = run(scratch, line + source);
    INFO(source << "\n" << refused.err);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains("the results would take the place of") && Contains("exist_ok=false"));
  }
  CHECK((read(scratch.path / "photos/a.jpg") == before));
  CHECK(document_of(run(scratch, line + scratch.file("photos") + " save=false save_txt=true"))["pictures"].size() == 1);
  CHECK(document_of(run(scratch, line + scratch.file("photos/crops/0")))["pictures"].size() == 1);
  CHECK(fs::exists(scratch.path / "photos/b.jpg"));
}

TEST_CASE("a picture of too many tiles is named and passed over, by val it is an error of the data") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  fs::create_directory(scratch.path / "in");
  fs::copy_file(sample_picture(), scratch.path / "in/good.jpg");
  write_picture(scratch.path / "in/large.png", Picture(2400, 2400));
  const std::string tiles = " tile=32 overlap=0 conf=0.9 json=true model=";
  const Result mixed = run(scratch, "predict save=false source=" + scratch.file("in") + tiles + model);
  CHECK(mixed.code == 3);
  CHECK_THAT(mixed.err, Contains("large.png: tile=32 with overlap=0 makes 5,626 views"));
  const json document = json::parse(mixed.out);
  CHECK(document["pictures"].size() == 1);
  CHECK(document["unreadable"][0]["file"] == scratch.file("in/large.png"));
  fs::create_directories(scratch.path / "set/images");
  fs::create_directories(scratch.path / "set/labels");
  fs::rename(scratch.path / "in/large.png", scratch.path / "set/images/large.png");
  scratch.write("set/labels/large.txt", "0 0.5 0.5 0.1 0.1\n");
  const std::string set =
      scratch.write("set.yaml", "path: " + scratch.file("set") + "\nval: images\nnames: ['0', '1', '2']\n");
  const Result judged = run(scratch, "val plots=false data=" + set + tiles + model);
  CHECK(judged.code == 3);
  CHECK_THAT(judged.err, Contains("large.png: tile=32 with overlap=0 makes 5,626 views"));
}

}  // namespace rtdetr::test
