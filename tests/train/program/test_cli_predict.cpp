// Runs the built program: predict, and what it and val take from a model file.
#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "core/image/picture.h"
#include "core/io/file.h"
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

TEST_CASE("predict turns pictures upright only when exif=true asks for it") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel), model = scratch.file("tiny.safetensors");
  document_of(run(scratch, "export model=" + yaml + " format=safetensors imgsz=64 json=true output=" + model));
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

}  // namespace rtdetr::test
