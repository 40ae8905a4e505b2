#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/random.h"
#include "data/dataset/dataset.h"
#include "data/evaluation/coco_metric.h"
#include "tests/support/coco_files.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

/// A folder with pictures 1.png (40x30) and 2.png (20x50) and an annotation file for them.
struct CocoFolder {
  test::TemporaryFolder folder;
  std::string images =
      R"({"id":20,"file_name":"2.png","width":20,"height":50},{"id":10,"file_name":"1.png","width":40,"height":30})";
  std::string annotations;
  std::string categories = R"({"id":7,"name":"dog"},{"id":2,"name":"cat"})";

  CocoFolder() {
    test::write_small_picture(folder / "images/1.png", 40, 30, 1);
    test::write_small_picture(folder / "images/2.png", 20, 50, 2);
  }
  void add(int id, int image, int category, const std::string& box, const std::string& more = "") {
    annotations += (annotations.empty() ? "" : ",") + std::string("{\"id\":") + std::to_string(id) +
                   ",\"image_id\":" + std::to_string(image) + ",\"category_id\":" + std::to_string(category) +
                   ",\"bbox\":" + box + more + "}";
  }
  fs::path file() const { return folder / "a.json"; }
  void write() const {
    test::write_file(file(), "{\"images\":[" + images + "],\"annotations\":[" + annotations + "],\"categories\":[" +
                                 categories + "]}");
  }
  Dataset load(const ClassList* classes = nullptr) const {
    write();
    return test::load_coco(file(), folder / "images", classes);
  }
  Dataset inspect() const {
    write();
    return inspect_coco(file(), folder / "images");
  }
};

const DataProblem* find(const Dataset& dataset, const std::string& kind) {
  const auto found =
      std::find_if(dataset.problems.begin(), dataset.problems.end(), [&](const auto& p) { return p.kind == kind; });
  return found == dataset.problems.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("pictures come by ascending id, classes by ascending category id, boxes in file order") {
  CocoFolder coco;
  coco.add(1, 20, 7, "[1,2,3,4]");
  coco.add(2, 10, 2, "[5,6,7,8]");
  coco.add(3, 20, 2, "[0,0,20,50]");
  const Dataset data = coco.load();
  CHECK(data.problems.empty());
  CHECK(data.classes.names == std::vector<std::string>{"cat", "dog"});
  CHECK(data.classes.category_ids == std::vector<std::int64_t>{2, 7});
  REQUIRE(data.pictures.size() == 2);
  CHECK(data.pictures[0].id == 10);
  CHECK(data.pictures[0].box_count == 1);
  CHECK(data.pictures[1].first_box == 1);
  CHECK(data.pictures[1].box_count == 2);
  CHECK(data.boxes[1].label == 1);
  CHECK(data.boxes[1].xyxy == std::array<float, 4>{1, 2, 4, 6});
  CHECK(data.truth.truths.size() == 3);
  CHECK(data.truth.truths[0].annotation_id == 1);
}

TEST_CASE("crowds are kept for the metric and left out of training; pictures without boxes stay") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7,8]");
  coco.add(2, 20, 2, "[0,0,9,9]", ",\"iscrowd\":1");
  const Dataset data = coco.load();
  CHECK(data.problems.empty());
  CHECK(data.pictures.size() == 2);
  CHECK(data.pictures[1].box_count == 0);
  CHECK(data.boxes.size() == 1);
  CHECK(data.truth.truths.size() == 2);
  CHECK(data.truth.truths[1].crowd);
}

TEST_CASE("boxes are clipped in float32 as the reference does; the metric's stay as written") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[-0.4,0.1,40.6,0.7]");
  const Dataset data = coco.load();
  CHECK(data.problems.empty());
  CHECK(data.boxes[0].xyxy == std::array<float, 4>{0, 0.1f, 40, 0.1f + 0.7f});
  CHECK(data.truth.truths[0].box_xywh == std::array<double, 4>{-0.4, 0.1, 40.6, 0.7});
  CHECK(data.truth.truths[0].area == 40.6 * 0.7);
}

TEST_CASE("the right edge is the sum of two floats, not the float of a sum") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[2.7,2,12.9,4]");
  const float edge = coco.load().boxes[0].xyxy[2];
  CHECK(edge == 2.7f + 12.9f);
  CHECK(edge != static_cast<float>(2.7 + 12.9));
}

TEST_CASE("boxes that no training can use are left out, counted and named") {
  const auto [box, kind, kept] = GENERATE(table<std::string, std::string, int>({
      {"[NaN,2,3,4]", "box_not_finite", 0},
      {"[1,2,Infinity,4]", "box_not_finite", 0},
      {"[1,-Infinity,3,4]", "box_not_finite", 0},
      {"[1,2,-3,4]", "box_inverted", 0},
      {"[1,2,3,-0.5]", "box_inverted", 0},
      {"[1,2,0,4]", "box_zero_area", 0},
      {"[1,2,3,0]", "box_zero_area", 0},
      {"[1,2,1e-30,4]", "box_zero_area", 0},
      {"[40,2,3,4]", "box_outside", 0},
      {"[1,-9,3,9]", "box_outside", 0},
      {"[1e300,2,1e300,4]", "box_outside", 0},
      {"[-5,2,10,4]", "box_clipped", 1},
      {"[1,2,3,400]", "box_clipped", 1},
      {"[-1e30,-1e30,2e30,2e30]", "box_clipped", 1},
  }));
  INFO(box);
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7,8]");
  coco.add(42, 10, 2, box);
  const Dataset data = coco.load();
  REQUIRE(data.problems.size() == 1);
  CHECK(data.problems[0].kind == kind);
  CHECK(data.problems[0].severity == Severity::kWarning);
  CHECK_THAT(data.problems[0].where, Catch::StartsWith("annotation id 42: ["));
  CHECK(data.boxes.size() == static_cast<std::size_t>(1 + kept));
  CHECK(data.truth.truths.size() == 2);
  for (const auto& kept_box : data.boxes) {
    CHECK((kept_box.xyxy[2] > kept_box.xyxy[0] && kept_box.xyxy[3] > kept_box.xyxy[1]));
    CHECK((kept_box.xyxy[0] >= 0 && kept_box.xyxy[2] <= 40 && kept_box.xyxy[1] >= 0 && kept_box.xyxy[3] <= 30));
  }
}

TEST_CASE("labels are the same under any numbering of the categories") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7,8]");
  coco.add(2, 20, 7, "[1,1,2,2]");
  const ClassList wanted{{"cat", "dog"}, {2, 7}};
  const auto [categories, cat, dog] = GENERATE(table<std::string, int, int>({
      {R"({"id":0,"name":"dog"},{"id":1,"name":"cat"})", 1, 0},
      {R"({"id":1,"name":"dog"},{"id":90,"name":"cat"})", 90, 1},
      {R"({"id":-3,"name":"dog"},{"id":-7,"name":"cat"})", -7, -3},
      {R"({"id":2147483647,"name":"cat"},{"id":5,"name":"dog"})", 2147483647, 5},
  }));
  CocoFolder other;
  other.categories = categories;
  other.add(1, 10, cat, "[5,6,7,8]");
  other.add(2, 20, dog, "[1,1,2,2]");
  const Dataset a = coco.load(&wanted), b = other.load(&wanted);
  REQUIRE(a.boxes.size() == b.boxes.size());
  for (std::size_t i = 0; i < a.boxes.size(); ++i) CHECK(a.boxes[i].label == b.boxes[i].label);
  CHECK(b.classes.names == wanted.names);
  CHECK(b.classes.category_ids == std::vector<std::int64_t>{cat, dog});
}

TEST_CASE("of 10,000 numberings of the categories, sound and broken, none is silently wrong") {
  const ClassList wanted{{"ant", "bee", "cat", "dog"}, {1, 2, 3, 4}};
  Random random(3, RandomPurpose::kAugmentation, 0, 0);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random.below(limit)); };
  // First number and step: from 0, from 1, gapped, negative, beyond 32 bits, and at the end of 64.
  const std::vector<std::array<std::int64_t, 2>> ranges{
      {0, 1}, {1, 1}, {5, 17}, {-40, 13}, {(std::int64_t{1} << 31) - 2, 1}, {std::int64_t{9223372036854775800}, 2}};
  const std::vector<std::string> no_id{"\"7\"", "1.5", "1e30", "null", "9223372036854775808", "[1]"};
  CocoFolder coco;
  int sound = 0, refused = 0, left_out = 0;
  for (int trial = 0; trial < 10'000; ++trial) {
    const auto [start, step] = ranges[below(ranges.size())];
    std::vector<std::string> ids;
    for (std::int64_t i = 0; i < 4; ++i) ids.push_back(std::to_string(start + i * step));
    std::vector<std::string> names = wanted.names;
    for (std::size_t i = 3; i > 0; --i) {
      std::swap(ids[i], ids[below(i + 1)]);
      std::swap(names[i], names[below(i + 1)]);
    }
    std::vector<std::size_t> shown(5);  // category of each annotation
    for (std::size_t& category : shown) category = below(4);
    enum Fault { kNone, kSameId, kSameName, kUnwanted, kNoCategoryId, kNoAnnotationId, kUnlisted, kCount };
    const auto fault = static_cast<Fault>(below(2) == 0 ? 0 : below(kCount));
    std::vector<std::string> category_ids = ids;
    if (fault == kSameId) category_ids[0] = category_ids[1];
    if (fault == kSameName) names[0] = names[1];
    if (fault == kUnwanted) names[2] = "eel";
    if (fault == kNoCategoryId) category_ids[3] = no_id[below(no_id.size())];
    coco.categories = coco.annotations = "";
    for (std::size_t i = 0; i < 4; ++i) {
      coco.categories += (i ? "," : "") + ("{\"id\":" + category_ids[i]) + ",\"name\":\"" + names[i] + "\"}";
    }
    for (std::size_t i = 0; i < shown.size(); ++i) {
      std::string id = ids[shown[i]];
      if (i == 2 && fault == kNoAnnotationId) id = no_id[below(no_id.size())];
      if (i == 2 && fault == kUnlisted) id = "3000000000";
      coco.annotations += (i ? "," : "") + ("{\"id\":" + std::to_string(i + 1)) +
                          ",\"image_id\":10,\"category_id\":" + id + ",\"bbox\":[1,2,3,4]}";
    }
    coco.write();
    INFO("categories " << coco.categories << ", annotations " << coco.annotations);
    Dataset dataset;
    bool good = false;
    try {
      dataset = inspect_coco(coco.file(), coco.folder / "images", &wanted);
      good = !has_errors(dataset.problems);
    } catch (const DataError&) {
    }
    const auto used = [&](std::size_t category) { return std::ranges::find(shown, category) != shown.end(); };
    const bool harmless = (fault == kSameName && !(used(0) && used(1))) || (fault == kUnwanted && !used(2));
    REQUIRE(good == (fault == kNone || fault == kUnlisted || harmless));
    if (!good) {
      ++refused;
      continue;
    }
    if (fault == kUnlisted) shown.erase(shown.begin() + 2);
    REQUIRE((find(dataset, "unknown_category") != nullptr) == (fault == kUnlisted));
    (fault == kUnlisted ? left_out : sound) += 1;
    REQUIRE(dataset.boxes.size() == shown.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto label = static_cast<std::size_t>(dataset.boxes[i].label);
      REQUIRE(dataset.classes.names[label] == names[shown[i]]);
      REQUIRE(std::to_string(dataset.classes.category_ids[label]) == ids[shown[i]]);
    }
  }
  CHECK(sound > 5'000);
  CHECK(refused > 2'500);
  CHECK(left_out > 500);
}

TEST_CASE("classes are mapped to the wanted ones by name or refused") {
  CocoFolder coco;
  coco.add(1, 10, 7, "[5,6,7,8]");
  const ClassList more{{"bird", "dog", "cat"}, {1, 2, 3}};
  const Dataset data = coco.load(&more);
  CHECK(data.boxes[0].label == 1);
  CHECK(data.classes.category_ids[1] == 7);
  REQUIRE(find(data, "class_absent"));
  CHECK(find(data, "class_absent")->where == "'bird'");
  const std::vector<MetricDetection> birds{{10, data.classes.category_ids[0], {5, 6, 7, 8}, 0.9}};
  CHECK(evaluate_coco(data.truth, birds).detections_left_out == 1);

  const ClassList fewer{{"cat"}, {2}};
  CHECK_THROWS_WITH(coco.load(&fewer), Catch::Contains("'dog': 1 annotation"));
}

TEST_CASE("a class that only this file lists is ignored unless it is used; then the cure is said") {
  CocoFolder coco;
  coco.categories += R"(,{"id":9,"name":"Norfolk terrier: no"})";
  coco.add(1, 10, 7, "[5,6,7,8]");
  const ClassList model{{"cat", "dog"}, {1, 2}};
  const Dataset data = coco.load(&model);
  CHECK(data.classes.names == model.names);
  CHECK(data.classes.category_ids == std::vector<std::int64_t>{2, 7});
  CHECK(data.truth.category_ids == std::vector<std::int64_t>{2, 7});
  REQUIRE(find(data, "unused_class"));
  CHECK(find(data, "unused_class")->severity == Severity::kWarning);
  CHECK(find(data, "unused_class")->where == "'Norfolk terrier: no'");
  CHECK(evaluate_coco(data.truth, {}).classes.size() == 2);

  coco.add(2, 77, 9, "[5,6,7,8]");  // of a picture that is not listed
  CHECK(find(coco.load(&model), "unused_class"));
  coco.add(3, 10, 9, "[5,6,7,8]", ",\"iscrowd\":1");
  CHECK_THROWS_WITH(coco.load(&model), Catch::Contains("'Norfolk terrier: no': 1 annotation") &&
                                           Catch::Contains("names: [cat, dog, \"Norfolk terrier: no\"] in the data"));
}

TEST_CASE("a category with another's name is no class if it is unused") {
  CocoFolder coco;
  coco.categories = R"({"id":0,"name":"dog","supercategory":"none"},{"id":1,"name":"dog","supercategory":"dog"})";
  coco.add(1, 10, 1, "[5,6,7,8]");
  const Dataset data = coco.load();
  CHECK(data.classes.names == std::vector<std::string>{"dog"});
  CHECK(data.classes.category_ids == std::vector<std::int64_t>{1});
  CHECK(data.truth.category_ids == std::vector<std::int64_t>{1});
  CHECK(data.boxes.at(0).label == 0);
  CHECK(find(data, "unused_namesake")->where == coco.file().string() + ": 'dog': ids 0 and 1");

  const ClassList by_name{{"dog"}, {1}}, earlier{{"dog", "dog"}, {0, 1}};
  CHECK(coco.load(&by_name).boxes.at(0).label == 0);
  CHECK(coco.load(&earlier).boxes.at(0).label == 1);  // a model that was trained with both
  coco.add(2, 10, 0, "[5,6,7,8]");
  CHECK(coco.load().classes.names == std::vector<std::string>{"dog", "dog"});
  CHECK_THROWS_WITH(coco.load(&by_name), Catch::Contains("stands twice"));
}

TEST_CASE("pictures named by a URL lie in its last folder, which may be the folder of pictures itself") {
  CocoFolder coco;
  coco.images = R"({"id":10,"coco_url":"http://images.cocodataset.org/images/1.png","width":40,"height":30})";
  coco.add(1, 10, 7, "[5,6,7,8]");
  coco.write();
  CHECK(test::load_coco(coco.file(), coco.folder.path()).pictures.at(0).file == coco.folder / "images/1.png");
  CHECK(test::load_coco(coco.file(), coco.folder / "images").pictures.at(0).file == coco.folder / "images/1.png");
  CHECK_THROWS_WITH(test::load_coco(coco.file(), coco.folder / "nowhere"),
                    Catch::Contains("image id 10 ('images/1.png')") && Catch::Contains("coco_url"));
}

TEST_CASE("names in the YAML give the order of the classes, nc is compared with the file") {
  CocoFolder coco;
  coco.add(1, 10, 7, "[5,6,7,8]");
  coco.write();
  const std::string split = "train: {images: images, annotations: a.json}\n";
  test::write_file(coco.folder / "d.yaml", split + "names: [dog, cat]\n");
  const Dataset data = load_dataset(load_dataset_config(coco.folder / "d.yaml"), "train");
  CHECK(data.boxes[0].label == 0);
  CHECK(data.classes.category_ids == std::vector<std::int64_t>{7, 2});
  test::write_file(coco.folder / "d.yaml", split + "nc: 80\n");
  CHECK_THROWS_WITH(load_dataset(load_dataset_config(coco.folder / "d.yaml"), "train"),
                    Catch::Contains("nc 80, categories 2"));
}

TEST_CASE("a split without boxes or without pictures is an error, to train on and to evaluate on") {
  CocoFolder coco;
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("no_boxes") && Catch::Contains("have no AP"));
  test::write_file(coco.folder / "d.yaml", "train: {images: images, annotations: a.json}\n");
  CHECK_THROWS_WITH(load_dataset(load_dataset_config(coco.folder / "d.yaml"), "train"), Catch::Contains("no_boxes"));
  coco.images = "";
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("no_pictures"));
}

TEST_CASE("missing pictures are counted, the first five named") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7,8]");
  for (int i = 0; i < 9; ++i) {
    coco.images += ",{\"id\":" + std::to_string(100 + i) + ",\"file_name\":\"gone" + std::to_string(i) +
                   ".png\",\"width\":9,\"height\":9}";
  }
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("9 × missing_picture") && Catch::Contains("gone4.png") &&
                                     !Catch::Contains("gone5.png") && Catch::Contains("and 4 more"));
  CHECK(coco.inspect().pictures.size() == 11);
}

TEST_CASE(
    "a picture in a thousand may be missing in training; it keeps its place and, if its size is known, its boxes") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7,8]");
  coco.add(2, 1, 2, "[1,2,3,4]");
  coco.add(3, 2, 2, "[1,2,3,4]");
  coco.images = R"({"id":1,"file_name":"gone.png","width":9,"height":9},{"id":2,"file_name":"lost.png"})";
  for (int id = 10; id < 2008; ++id) {
    coco.images += ",{\"id\":" + std::to_string(id) + R"(,"file_name":"2.png","width":20,"height":50})";
  }
  coco.write();
  test::write_file(coco.folder / "d.yaml", "train: {images: images, annotations: a.json}\n");
  DatasetConfig config = load_dataset_config(coco.folder / "d.yaml");
  CHECK_THROWS_WITH(load_dataset(config, "train"), Catch::Contains("2 × missing_picture"));
  config.max_bad = 0.001;
  const Dataset dataset = load_dataset(config, "train");
  REQUIRE(dataset.pictures.size() == 2000);
  CHECK(dataset.pictures[0].file == coco.folder / "images/gone.png");
  CHECK(dataset.pictures[0].box_count == 1);
  CHECK(dataset.pictures[1].box_count == 0);
  CHECK_FALSE(dataset.pictures[1].readable);
  CHECK(dataset.pictures[2].readable);
  CHECK(find(dataset, "missing_picture")->severity == Severity::kWarning);
  config.max_bad = 0.0009;
  CHECK_THROWS_WITH(load_dataset(config, "train"), Catch::Contains("2 × missing_picture"));
}

TEST_CASE("file names that leave the folder are refused, whether or not such a file exists") {
  const auto name = GENERATE(as<std::string>{}, "/etc/hostname", "../1.png", "../images/1.png", "a/../../1.png",
                             "a/../..", "..", ".", "1.png\\u0000.jpg", "./../../1.png");
  INFO(name);
  CocoFolder coco;
  test::write_small_picture(coco.folder / "1.png", 40, 30, 3);
  coco.images = R"({"id":10,"file_name":")" + name + R"(","width":40,"height":30})";
  coco.add(1, 10, 2, "[5,6,7,8]");
  const Dataset data = coco.inspect();
  CHECK(data.pictures.empty());
  CHECK(find(data, "path_escape")->severity == Severity::kError);
}

TEST_CASE("file names may go through folders, also back and forth inside") {
  CocoFolder coco;
  test::write_small_picture(coco.folder / "images/sub/3.png", 8, 8, 3);
  coco.images = R"({"id":10,"file_name":"sub/../sub/./3.png","width":8,"height":8})";
  coco.add(1, 10, 2, "[1,1,4,4]");
  CHECK(coco.load().pictures.size() == 1);
}

TEST_CASE("file names may be written with Windows' backslashes, but not lead out of the folder so") {
  CocoFolder coco;
  test::write_small_picture(coco.folder / "images/sub/3.png", 8, 8, 3);
  test::write_small_picture(coco.folder / "out.png", 8, 8, 3);
  coco.images = R"({"id":10,"file_name":"sub\\3.png","width":8,"height":8})";
  coco.add(1, 10, 2, "[1,1,4,4]");
  CHECK(coco.load().pictures.at(0).file == coco.folder / "images/sub/3.png");
  coco.images = R"({"id":10,"file_name":"..\\out.png","width":8,"height":8})";
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("missing_picture"));
}

TEST_CASE("a size that the file does not say is read from the picture, with a warning") {
  CocoFolder coco;
  coco.images = R"({"id":10,"file_name":"1.png"})";
  coco.add(1, 10, 2, "[30,20,20,20]");
  const Dataset data = coco.load();
  CHECK(data.pictures[0].width == 40);
  CHECK(data.boxes[0].xyxy == std::array<float, 4>{30, 20, 40, 30});
  CHECK(find(data, "missing_size"));

  test::write_file(coco.folder / "images/1.png", "no picture");
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("unreadable_picture"));
  coco.images = R"({"id":10})";
  CHECK_THROWS_WITH(coco.load(), Catch::Contains("missing_file_name"));
}

TEST_CASE("errors of records are thrown as one summary") {
  CocoFolder coco;
  coco.add(1, 10, 2, "[5,6,7]");
  coco.add(2, 10, 2, "\"box\"");
  coco.images += R"(,{"id":10,"file_name":"2.png"})";
  try {
    coco.load();
    FAIL("accepted");
  } catch (const DataError& fault) {
    CHECK_THAT(fault.what(), Catch::Contains("cannot be used:") && Catch::Contains("2 × bad_field") &&
                                 Catch::Contains("duplicate_image_id"));
    CHECK(fault.code() == ExitCode::kData);
  }
}

TEST_CASE("a sample is the decoded picture with its boxes") {
  CocoFolder coco;
  coco.add(1, 20, 7, "[1,2,3,4]");
  coco.add(2, 20, 2, "[0,0,20,50]");
  const Dataset data = coco.load();
  const Sample sample = load_sample(data, 1);
  CHECK(sample.picture.width == 20);
  CHECK(sample.original_height == 50);
  CHECK(sample.picture_index == 1);
  REQUIRE(sample.boxes.size() == 2);
  CHECK(sample.boxes[0].label == 1);
  CHECK(sample.boxes[1].xyxy == std::array<float, 4>{0, 0, 20, 50});
  CHECK(load_sample(data, 0).boxes.empty());
}

TEST_CASE("a picture that is not of its annotated size, or broken, is no sample") {
  CocoFolder coco;
  coco.images = R"({"id":10,"file_name":"1.png","width":30,"height":40})";
  coco.add(1, 10, 2, "[5,6,7,8]");
  CHECK_THROWS_WITH(load_sample(coco.load(), 0),
                    Catch::Contains("1.png") && Catch::Contains("is 40x30") && Catch::Contains("30x40"));
  const Dataset data = coco.load();
  test::write_file(coco.folder / "images/1.png", "no picture");
  CHECK_THROWS_AS(load_sample(data, 0), DataError);
  CHECK_THROWS_AS(load_sample(data, 1), InternalError);
}
