#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "core/image/picture.h"
#include "tests/train/program/command_line.h"

using nlohmann::json;

namespace rtdetr::test {

namespace {

/// A data set of sample pictures with the classes of a model that has none of its own: '0', '1', '2'.
std::string data_of_numbered_classes(const Scratch& scratch) {
  const std::string folder = scratch.file("yolo");
  document_of(run(scratch, "convert data=configs/datasets/bccd_overfit8.yaml format=yolo json=true output=" + folder));
  return scratch.write("numbered.yaml", "path: " + folder + "\nval: images/val\nnames: ['0', '1', '2']\n");
}

}  // namespace

TEST_CASE("benchmark gives the spread of every stage") {
  const Scratch scratch;
  const std::string row = "  - [-1, 1, Conv, [16, 3, 2]]\n", head = "head:\n" + row;
  std::string branched = kTinyModel;  // with branches that are fused
  branched.replace(branched.find(head), head.size(), head + "  - [-1, 1, RepC3, [16]]\n");
  branched.replace(branched.find("[[2, 3], 1,"), 11, "[[2, 4], 1,");
  const std::string yaml = scratch.write("tiny.yaml", branched);
  const json result =
      document_of(run(scratch, "benchmark model=" + yaml + " imgsz=64 batch=2 threads=1 runs=3 json=true"));
  for (const char* stage : {"decode_ms", "preprocess_ms", "model_ms", "postprocess_ms", "total_ms"}) {
    CHECK(result[stage]["first"] > 0);
    CHECK(result[stage]["min"] > 0);
    CHECK(result[stage]["min"] <= result[stage]["p50"]);
    CHECK(result[stage]["p50"] <= result[stage]["p95"]);
    CHECK(result[stage]["p95"] <= result[stage]["p99"]);
  }
  const json known = document_of(run(scratch, "info model=" + yaml + " imgsz=64 json=true"));
  CHECK(result["gflops"].get<double>() == Approx(known["gflops"].get<double>()));  // of the fused model, as published
  CHECK(result["peak_mib"] > 1);
  CHECK(result["model_gflop_per_s"] > 0);
  CHECK(result["peak_gflop_per_s"] > 0);
}

TEST_CASE("benchmark compares batch sizes and numbers of threads, and draws them") {
  const Scratch scratch;
  const std::string yaml = scratch.write("tiny.yaml", kTinyModel);
  const json result = document_of(run(scratch, "benchmark model=" + yaml + " imgsz=64 batch=1,2 threads=1,2 runs=2" +
                                                   " json=true output=" + scratch.file("speed.png")));
  std::vector<std::pair<int, int>> rows;
  for (const json& row : result["sweep"]) rows.emplace_back(row["threads"], row["batch"]);
  CHECK(rows == std::vector<std::pair<int, int>>{{1, 1}, {1, 2}, {2, 1}, {2, 2}});
  CHECK(read_picture_size(scratch.file("speed.png")).width == 640);
}

TEST_CASE("the front of a checkpoint has a point for each choice, with the accuracy that val finds there") {
  const Scratch scratch;
  const std::string model = exported_model(scratch);
  const std::string data = " data=" + data_of_numbered_classes(scratch) + " json=true model=" + model;
  const json front =
      document_of(run(scratch, "benchmark front=true queries=5,10 sizes=32,64 runs=1 threads=1 budget_ms=10000" + data +
                                   " output=" + scratch.file("front.png")));
  CHECK(front["pictures"] == 8);
  CHECK(front["threads"] == 1);
  REQUIRE(front["points"].size() == 8);  // 2 layers, 2 numbers of queries, 2 sizes
  CHECK(read_picture_size(scratch.file("front.png")).width == 800);
  CHECK_FALSE(front["chosen"].is_null());
  for (const json& point : front["points"]) {
    if (point["num_queries"] != 5 || point["imgsz"][0] != 64) continue;
    const json val = document_of(run(scratch, "val plots=false num_queries=5 batch=1 decoder_layers=" +
                                                  std::to_string(point["decoder_layers"].get<int>()) + data));
    CHECK(point["ap"].get<double>() == Approx(val["stats"][0].get<double>()).margin(1e-6));
  }
}

TEST_CASE("what the front needs, and what is only for it, is said before anything is computed") {
  const Scratch scratch;
  const std::string model = " model=" + exported_model(scratch);
  const std::vector<std::pair<std::string, std::string>> refused{
      {"front=true", "front=true needs data="},
      {"front=true data=bccd num_queries=5", "front=true takes queries= instead"},
      {"front=true data=bccd reduced_jpeg=true", "front=true takes pictures that are decoded already instead"},
      {"front=true data=bccd threads=1,2", "compares at one number of threads"},
      {"budget_ms=5", "budget_ms= (command line) is for front=true"},
      {"parts=true amp=int8", "parts=true (command line) times the plain model, which has no int8"},
      {"output=speed.txt", "benchmark draws a picture"}};
  for (const auto& [keys, says] : refused) {
    const Result result = run(scratch, "benchmark " + keys + model);
    CHECK(result.code == 2);
    CHECK_THAT(result.err, Catch::Contains(says));
  }
}

}  // namespace rtdetr::test
