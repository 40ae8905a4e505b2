#include "data/formats/coco_results.h"

#include <catch2/catch.hpp>
#include <limits>

#include "core/base/error.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

std::vector<MetricDetection> read(std::string_view text) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "dt.json", text);
  return read_coco_results(folder / "dt.json");
}

}  // namespace

TEST_CASE("results are read in any key order, other keys passed over") {
  const auto records = read(
      R"([{"score": 0.5, "segmentation": {"counts": [1]}, "id": null, "area": null, "bbox": [1, 2.5, 3, 4], "image_id": 7, "category_id": 3},
                                {"image_id":9000000000,"category_id":-1,"bbox":[0,0,1,1],"score":1.5}])");
  REQUIRE(records.size() == 2);
  CHECK(records[0].image_id == 7);
  CHECK(records[0].category_id == 3);
  CHECK(records[0].box_xywh == std::array<double, 4>{1, 2.5, 3, 4});
  CHECK(records[0].score == 0.5);
  CHECK(records[1].image_id == 9000000000);
}

TEST_CASE("what is written reads back to the bit") {
  const test::TemporaryFolder folder;
  std::vector<MetricDetection> records;
  for (int i = 0; i < 3000; ++i) {
    records.push_back({i * 1'000'003LL, i % 90, {i / 3.0, i * 0.1, 1e-7 * i, 1e15 + i}, 1.0 / (i + 1)});
  }
  write_coco_results(folder / "out.json", records);
  const auto back = read_coco_results(folder / "out.json");
  REQUIRE(back.size() == records.size());
  bool same = true;
  for (std::size_t i = 0; i < back.size(); ++i) {
    same &= back[i].image_id == records[i].image_id && back[i].category_id == records[i].category_id &&
            back[i].box_xywh == records[i].box_xywh && back[i].score == records[i].score;
  }
  CHECK(same);
}

TEST_CASE("ids are read to the last digit, and only whole ones, in the usual order of keys too") {
  const auto with_id = [](const std::string& id) {
    return read(R"([{"image_id":)" + id + R"(,"category_id":-4,"bbox":[0,0,1,1],"score":0.5}])");
  };
  CHECK(with_id("9007199254740993")[0].image_id == 9007199254740993);
  CHECK(with_id("-9007199254740991")[0].image_id == -9007199254740991);
  CHECK(with_id("9223372036854775807")[0].category_id == -4);
  CHECK_THROWS_AS(with_id("1e300"), DataError);
  CHECK_THROWS_AS(with_id("1.5"), DataError);
}

TEST_CASE("an empty list of results is one") {
  CHECK(read("[]").empty());
  const test::TemporaryFolder folder;
  write_coco_results(folder / "out.json", {});
  CHECK(read_coco_results(folder / "out.json").empty());
}

TEST_CASE("records that are not results are refused by name") {
  const auto [record, fault] = GENERATE(table<std::string, std::string>({
      {R"({"category_id":1,"bbox":[1,2,3,4],"score":0.5})", "results[1]: 'image_id' is missing"},
      {R"({"image_id":1,"bbox":[1,2,3,4],"score":0.5})", "'category_id' is missing"},
      {R"({"image_id":1,"category_id":1,"score":0.5})", "'bbox' is missing"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4]})", "'score' is missing"},
      {R"({"image_id":"1","category_id":1,"bbox":[1,2,3,4],"score":0.5})", "must be a whole number, not the text '1'"},
      {R"({"image_id":1,"category_id":1.5,"bbox":[1,2,3,4],"score":0.5})", "must be a whole number, not 1.5"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3],"score":0.5})", "must be [x, y, w, h], not a list of 3"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,1e999],"score":0.5})", "not a list with 1e999"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":"0.5"})",
       "'score' must be a finite number, not the text"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":NaN})", "'score' must be a finite number"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":Infinity})", "not Infinity"},
      {R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":null})", "'score' is null"},
      {R"({"file":"a.jpg","width":8,"height":8,"detections":[],"ms":1})", "as predict writes"},
      {R"({"image_id":1,"image_id":2,"category_id":1,"bbox":[1,2,3,4],"score":0.5})", "'image_id' stands twice"},
      {R"([1])", "results[1]: is no object"},
  }));
  INFO(record);
  const std::string good = R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5})";
  CHECK_THROWS_WITH(read("[" + good + "," + record + "]"), Catch::Contains(fault));
  CHECK_THROWS_AS(read("[" + record + "]"), DataError);
}

TEST_CASE("all bad records are counted, the first five named") {
  std::string text = "[";
  for (int i = 0; i < 12; ++i)
    text += std::string(i == 0 ? "" : ",") + R"({"image_id":1,"category_id":1,"bbox":[1,2,3,4]})";
  CHECK_THROWS_WITH(read(text + "]"), Catch::Contains("12 × bad_result") && Catch::Contains("results[4]") &&
                                          !Catch::Contains("results[5]") && Catch::Contains("and 7 more"));
}

TEST_CASE("a file that is not a list, or cut off, is refused") {
  CHECK_THROWS_WITH(read(R"({"annotations": []})"),
                    Catch::Contains("a result file is a list") && Catch::Contains("jq .annotations"));
  CHECK_THROWS_AS(read(R"([{"image_id":1,"category_id":1,"bbox":[1,2)"), DataError);
  CHECK_THROWS_AS(read(""), DataError);
}

TEST_CASE("numbers that JSON cannot hold are not written, and the old file stays") {
  const test::TemporaryFolder folder;
  write_coco_results(folder / "out.json", {});
  const std::vector<MetricDetection> bad{{1, 1, {0, 0, 1, 1}, std::numeric_limits<double>::quiet_NaN()}};
  CHECK_THROWS_AS(write_coco_results(folder / "out.json", bad), DataError);
  CHECK(read_coco_results(folder / "out.json").empty());
}
