#include "data/dataset/suspicions.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "tests/support/coco_files.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

const DataProblem* problem_of(const Dataset& dataset, const std::string& kind) {
  const auto found = std::ranges::find(dataset.problems, kind, &DataProblem::kind);
  return found == dataset.problems.end() ? nullptr : &*found;
}

/// One picture of 64x48 with these boxes, as COCO.
struct CocoPicture {
  test::TemporaryFolder folder;

  explicit CocoPicture(const std::vector<std::string>& boxes, const std::string& more = "") {
    test::write_small_picture(folder / "images/1.png", 64, 48, 1);
    std::string annotations;
    for (const std::string& box : boxes) {
      const std::string id = std::to_string(annotations.size() + 1);
      annotations += (annotations.empty() ? "" : ",") + std::string("{\"id\":") + id +
                     ",\"image_id\":1,\"category_id\":1,\"bbox\":[" + box + "]" + more + "}";
    }
    test::write_file(folder / "a.json",
                     "{\"images\":[{\"id\":1,\"file_name\":\"1.png\",\"width\":64,\"height\":48}],\"annotations\":[" +
                         annotations + "],\"categories\":[{\"id\":1,\"name\":\"cat\"}]}");
  }
  Dataset inspect() const { return inspect_coco(folder / "a.json", folder / "images"); }
};

}  // namespace

TEST_CASE("boxes that are corners are told from those that are sizes") {
  const CocoPicture corners({"10,8,30,28", "40,20,60,44", "5,30,25,47", "0,0,50,20"});
  const Dataset data = corners.inspect();
  REQUIRE(problem_of(data, "box_corners"));
  CHECK(problem_of(data, "box_corners")->severity == Severity::kWarning);
  CHECK_THAT(problem_of(data, "box_corners")->message, Contains("[x0, y0, x1, y1]"));
  CHECK(problem_of(data, "box_corners")->where == "the first is [10, 8, 30, 28]");

  CHECK_FALSE(
      problem_of(CocoPicture({"10,8,20,20", "40,20,20,24", "5,30,20,17", "0,0,50,20"}).inspect(), "box_corners"));
  const CocoPicture large_objects({"1,1,60,40", "2,2,61,45", "0,3,62,44", "1,0,63,48"});
  CHECK_FALSE(problem_of(large_objects.inspect(), "box_corners"));
  CHECK_FALSE(problem_of(CocoPicture({"10,8,60,40", "2,2,60,44"}).inspect(), "box_corners"));  // too few to know
}

TEST_CASE("boxes that are fractions of their picture are refused") {
  const CocoPicture fractions({"0.1,0.2,0.3,0.4", "0,0,1,1", "0.5,0.5,0.25,0.25"});
  const Dataset data = fractions.inspect();
  REQUIRE(problem_of(data, "box_fractions"));
  CHECK(problem_of(data, "box_fractions")->severity == Severity::kError);
  CHECK_THROWS_WITH(test::load_coco(fractions.folder / "a.json", fractions.folder / "images"), Contains("fractions"));
  CHECK_FALSE(problem_of(CocoPicture({"0.1,0.2,0.3,0.4", "0,0,1,1", "10,10,5,5"}).inspect(), "box_fractions"));
}

TEST_CASE("a set of crowds alone is refused with the reason") {
  const CocoPicture crowds({"10,8,20,20", "40,20,20,24"}, ",\"iscrowd\":1");
  const Dataset data = crowds.inspect();
  REQUIRE(problem_of(data, "only_crowds"));
  CHECK(problem_of(data, "only_crowds")->severity == Severity::kError);
  CHECK(problem_of(data, "only_crowds")->where == "2 annotations");
  CHECK_THROWS_WITH(test::load_coco(crowds.folder / "a.json", crowds.folder / "images"), Contains("iscrowd"));
  CHECK_FALSE(problem_of(CocoPicture({"10,8,20,20"}).inspect(), "only_crowds"));
  CHECK_FALSE(problem_of(CocoPicture({}).inspect(), "only_crowds"));
}

TEST_CASE("pictures of a YOLO set that share a label file are named") {
  const test::TemporaryFolder folder;
  for (const char* name : {"images/a.png", "images/a.jpg", "images/b.png", "images/b.jpg"}) {
    test::write_small_picture(folder / name, 64, 48, 1);
  }
  test::write_file(folder / "labels/a.txt", "0 0.5 0.5 0.25 0.25\n");
  test::write_file(folder / "labels/b.txt", "");
  test::write_file(folder / "d.yaml", "train: images\nval: images\nnames: [cat]\n");
  const Dataset data = inspect_dataset(load_dataset_config(folder / "d.yaml"), "train");
  REQUIRE(problem_of(data, "shared_label"));
  CHECK(problem_of(data, "shared_label")->severity == Severity::kWarning);
  CHECK(problem_of(data, "shared_label")->count == 1);
  CHECK_THAT(problem_of(data, "shared_label")->where, Contains("a.jpg") && Contains("a.png"));
  CHECK_FALSE(problem_of(CocoPicture({"10,8,20,20"}).inspect(), "shared_label"));
}
