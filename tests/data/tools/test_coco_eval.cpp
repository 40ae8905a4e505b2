#include "data/tools/coco_eval.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

/// One picture of 64x48 with four cats, ids 1 and 2 for cat and dog.
struct Files {
  test::TemporaryFolder folder;

  explicit Files(const std::string& more = "") {
    std::string annotations;
    int id = 0;
    for (const char* box : {"10,8,20,20", "40,20,20,24", "5,30,20,17", "0,0,50,20"}) {
      annotations += (id ? ",{\"id\":" : "{\"id\":") + std::to_string(id + 1) +
                     ",\"image_id\":1,\"category_id\":1,\"bbox\":[" + box + "]" + more + "}";
      ++id;
    }
    write_truth(annotations);
  }
  void write_truth(const std::string& annotations) const {
    test::write_file(folder / "gt.json",
                     "{\"images\":[{\"id\":1,\"file_name\":\"1.png\",\"width\":64,\"height\":48}],\"annotations\":[" +
                         annotations + "],\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}]}");
  }
  CocoEvaluation evaluate(const std::vector<std::string>& boxes, const std::string& category = "1") const {
    std::string results;
    for (const std::string& box : boxes) {
      results += (results.empty() ? "{" : ",{") + std::string("\"image_id\":1,\"score\":0.5,\"category_id\":") +
                 category + ",\"bbox\":[" + box + "]}";
    }
    test::write_file(folder / "dt.json", "[" + results + "]");
    return evaluate_coco_files(folder / "gt.json", folder / "dt.json");
  }
};

const DataProblem* find(const CocoEvaluation& evaluation, const std::string& kind) {
  const auto found = std::ranges::find(evaluation.problems, kind, &DataProblem::kind);
  return found == evaluation.problems.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("results that fit their annotations have no problems") {
  const CocoEvaluation sound = Files().evaluate({"10,8,20,20", "40,20,20,24", "5,30,20,17", "0,0,50,20"});
  CHECK(sound.problems.empty());
  CHECK(sound.result.stats[0] == 1);
  CHECK(Files().evaluate({}).problems.empty());
}

TEST_CASE("results whose boxes are corners or fractions are warned of") {
  const CocoEvaluation corners = Files().evaluate({"10,8,30,28", "40,20,60,44", "5,30,25,47", "0,0,50,20"});
  CHECK(find(corners, "result_corners"));
  CHECK(corners.problems.size() == 1);
  const CocoEvaluation fractions = Files().evaluate({"0.1,0.2,0.3,0.4", "0,0,1,1", "0.5,0.5,0.25,0.25"});
  CHECK(find(fractions, "result_fractions"));
  CHECK(fractions.problems.size() == 1);
}

TEST_CASE("results of other category ids are counted, with the ids of both files") {
  const CocoEvaluation evaluation = Files().evaluate({"10,8,20,20", "40,20,20,24"}, "0");
  REQUIRE(find(evaluation, "unknown_result_category"));
  CHECK(find(evaluation, "unknown_result_category")->count == 2);
  CHECK_THAT(find(evaluation, "unknown_result_category")->where, Contains("dt.json: 0; the annotations have 1, 2"));
}

TEST_CASE("annotations without a box to find are warned of: every number is undefined, as pycocotools has it") {
  const CocoEvaluation crowds = Files(",\"iscrowd\":1").evaluate({"10,8,20,20"});
  CHECK(crowds.result.stats[0] == -1);
  REQUIRE(find(crowds, "no_boxes"));
  CHECK_THAT(find(crowds, "no_boxes")->message, Contains("every annotation is a crowd"));
  const Files empty;
  empty.write_truth("");
  for (const CocoEvaluation& evaluation : {empty.evaluate({"10,8,20,20"}), empty.evaluate({})}) {
    CHECK(evaluation.result.stats[0] == -1);
    CHECK(find(evaluation, "no_boxes"));
  }
}
