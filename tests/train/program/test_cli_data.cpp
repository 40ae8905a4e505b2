// Runs the built program: data sets and short runs on them.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/cpu_level.h"
#include "core/base/text.h"
#include "core/image/picture.h"
#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

TEST_CASE("train, val, predict and benchmark compute in the type of amp=, and say so") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("runs/exp/best.safetensors");
  write_picture(scratch.file("p.png"), Picture(32, 32));
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
    const bool prepared = amp == "bf16" && rtdetr::has_bfloat16_products();
    const std::string keys = " amp=" + amp + (prepared ? "" : " engine=off");
    const Result half = run(scratch, predict + keys);
    const json found = document_of(half)["pictures"][0]["detections"];
    CHECK_THAT(half.err, Contains(prepared ? "amp=bf16: the prepared model multiplies bf16 numbers"
                                           : "amp=" + amp + ": the model runs in " + amp + " autocast"));
    REQUIRE(found.size() == whole.size());
    CHECK(found != whole);
    CHECK(found[0]["score"].get<double>() == Approx(whole[0]["score"].get<double>()).epsilon(0.02));
    const std::string of_model = " json=true model=" + model + keys;
    CHECK(document_of(run(scratch, "benchmark runs=1" + of_model))["precision"] == amp);
    CHECK(document_of(run(scratch, "val plots=false" + data + of_model))["precision"] == amp);
  }
  CHECK(document_of(run(scratch, "val plots=false json=true model=" + model + data))["precision"] == "fp32");
}

TEST_CASE("with progress=json every line of stderr is an object, and runs leave pages that compare puts together") {
  const Scratch scratch;
  write_picture(scratch.file("p.png"), Picture(32, 32));
  scratch.write("p.txt", "0 0.5 0.5 0.5 0.5\n");
  const std::string common =
      "train progress=json batch=1 workers=0 threads=1 imgsz=64 model=" + scratch.write("tiny.yaml", kTinyModel) +
      " data=" + scratch.write("d.yaml", "train: .\nval: .\nnames: [<b>cat</b>]\n") +
      " project=" + scratch.file("runs");
  for (const char* more : {" epochs=2 name=a", " epochs=3 name=b quiet=true lr0=0.001"}) {
    const Result trained = run(scratch, common + more);
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    std::map<std::string, int> types;
    int told = 0;
    for (const std::string& line : split(trained.err, '\n')) {
      if (line.empty()) continue;
      const json event = json::parse(line);
      ++types[event["type"].get<std::string>()];
      if (event["type"] == "step") CHECK(event["eta_s"].is_number());
      if (event["type"] == "message" && event["level"] == "info") ++told;
    }
    CHECK(types["step"] >= 2);
    CHECK(types["validation"] >= 2);
    CHECK((told > 0) == !Contains("quiet").match(more));
  }
  const std::string page = read(scratch.path / "runs/a/index.html");
  CHECK_THAT(page, Contains("\"id\":\"confusion\""));
  CHECK_THAT(page, Contains("data:image/jpeg;base64,/9j/"));
  CHECK_THAT(page, !Contains("<b>cat"));

  const std::string both = "compare " + scratch.file("runs/a") + " " + scratch.file("runs/b");
  const json compared = document_of(run(scratch, both + " json=true output=" + scratch.file("c.html")));
  CHECK(compared["runs"][1]["epochs"] == 3);
  CHECK(compared["settings"] ==
        json::parse(R"([{"key":"epochs","values":["2","3"]},{"key":"lr0","values":["0.0001","0.001"]}])"));
  CHECK_THAT(read(scratch.path / "c.html"), Contains("2 runs compared"));
  const std::string again = " " + scratch.file("runs/./a/");
  const Result twice = run(scratch, both + again + " output=" + scratch.file("c.html"));
  CHECK_THAT(twice.err, Contains("is the same run as " + scratch.file("runs/a") + ": it is taken once"));
  CHECK_THAT(read(scratch.path / "c.html"), Contains("2 runs compared"));
  CHECK(run(scratch, "compare " + scratch.file("runs/a") + again).code == 2);
  const Result wrong = run(scratch, "compare " + scratch.file("runs/a") + " " + scratch.file("nowhere"));
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.err, Contains("nowhere: no such folder"));

  const Result failed =
      run(scratch, "val progress=json data=" + scratch.file("nowhere.yaml") + " model=" + scratch.file("d.yaml"));
  CHECK(failed.code == 2);
  const json error = json::parse(failed.err);
  CHECK(error["type"] == "error");
  CHECK(error["exit_code"] == failed.code);
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
  CHECK_THAT(result.err, Contains("a model trained from scratch learns little in about "));
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

TEST_CASE("check names pictures without boxes, and shows no empty tables where no split can be read") {
  const Scratch scratch;
  fs::create_directories(scratch.path / "images");
  for (const std::string name : {"a", "b", "c"})
    write_picture(scratch.file("images/" + name + ".png"), Picture(32, name == "a" ? 32 : 48));
  fs::create_directories(scratch.path / "labels");
  scratch.write("labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
  scratch.write("labels/b.txt", "");
  const std::string yaml = scratch.write("d.yaml", "train: images\nnames: [cat]\n");
  CHECK_THAT(run(scratch, "check data=" + yaml).out,
             Contains("\n\n  train: no label file for 1 picture (c.png), a label file without boxes for 1 picture "
                      "(b.png)\n\n"));
  const json split = document_of(run(scratch, "check json=true data=" + yaml))["splits"][0];
  CHECK(split["without_boxes"] == json::parse(R"({"no_label_file": {"count": 1, "first": ["c.png"]},
                                                  "empty_label_file": {"count": 1, "first": ["b.png"]}})"));
  scratch.write("d.yaml", "path: mine\ntrain: images\nnames: [cat]\n");
  const Result lost = run(scratch, "check data=" + yaml);
  CHECK(lost.code == 3);
  CHECK_THAT(lost.out, Contains("remove 'path'") && !Contains("narrower than"));
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
    write_picture(scratch.file("p" + std::to_string(i) + ".png"), Picture(32, 32));
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

}  // namespace rtdetr::test
