#include "data/tools/doctor.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

bool advises(const DatasetReport& report, const std::string& words) {
  return std::ranges::any_of(report.advice,
                             [&](const std::string& sentence) { return sentence.find(words) != sentence.npos; });
}

const DataProblem* find(const DatasetReport& report, const std::string& kind) {
  const auto found =
      std::find_if(report.problems.begin(), report.problems.end(), [&](const auto& p) { return p.kind == kind; });
  return found == report.problems.end() ? nullptr : &*found;
}

/// Two splits of one folder of small pictures p0.png … p5.png, 32x24: 0 to 3 for training, 4 and 5 to evaluate.
struct Folder {
  test::TemporaryFolder folder;
  std::string categories = R"({"id":1,"name":"cat"},{"id":2,"name":"dog"})";

  Folder() {
    for (int i = 0; i < 6; ++i) test::write_small_picture(picture(i), 32, 24, i);
    write_split("train", {0, 1, 2, 3});
    write_split("val", {4, 5});
    test::write_file(
        folder / "d.yaml",
        "train: {images: images, annotations: train.json}\nval: {images: images, annotations: val.json}\n");
  }
  fs::path picture(int i) const { return folder / ("images/p" + std::to_string(i) + ".png"); }
  void write_split(const std::string& name, const std::vector<int>& pictures, const std::string& more = "") const {
    std::string images, annotations;
    for (const int i : pictures) {
      const std::string id = std::to_string(i), comma = images.empty() ? "" : ",";
      images += comma + "{\"id\":" + id + ",\"file_name\":\"p" + id + ".png\",\"width\":32,\"height\":24}";
      annotations += comma + "{\"id\":" + std::to_string(i + 1) + ",\"image_id\":" + id +
                     ",\"category_id\":" + std::to_string(1 + i % 2) + ",\"bbox\":[1,2,10,8]}";
    }
    test::write_file(folder / (name + ".json"), "{\"images\":[" + images + "],\"annotations\":[" + annotations + more +
                                                    "],\"categories\":[" + categories + "]}");
  }
  DatasetReport check(const CheckOptions& options = {}) const {
    return check_dataset(load_dataset_config(folder / "d.yaml"), options);
  }
};

}  // namespace

TEST_CASE("a sound data set is counted and has no problems") {
  const Folder set;
  std::int64_t last_done = 0;
  CheckOptions options;
  options.progress = [&](const std::string& split, std::int64_t done, std::int64_t total) {
    CHECK(total == (split == "train" ? 4 : 2));
    last_done = done;
  };
  const DatasetReport report = set.check(options);
  for (const DataProblem& problem : report.problems) UNSCOPED_INFO(describe(problem));
  CHECK(report.problems.empty());
  CHECK(last_done == 2);
  REQUIRE(report.splits.size() == 2);
  CHECK(report.splits[0].pictures == 4);
  CHECK(report.splits[0].boxes_per_class == std::vector<std::int64_t>{2, 2});
  CHECK(report.splits[0].boxes_by_size == std::array<std::int64_t, 3>{4, 0, 0});
  CHECK(report.splits[0].width.median == 32);
  CHECK(report.splits[1].max_boxes == 1);
  CHECK(report.classes.names == std::vector<std::string>{"cat", "dog"});
}

TEST_CASE("the blood cells that come along are sound, but for one picture that was taken twice") {
  const DatasetReport report =
      check_dataset(load_dataset_config(fs::path(RTDETR_SOURCE_DIR) / "configs/datasets/bccd.yaml"));
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].kind == "near_duplicate_across_splits");
  REQUIRE(report.near_duplicates.size() == 1);
  CHECK_THAT(report.near_duplicates[0].picture, Catch::Contains("BloodImage_00037.jpg"));
  CHECK_THAT(report.near_duplicates[0].other, Catch::Contains("BloodImage_00038.jpg"));
  REQUIRE(report.splits.size() == 3);
  CHECK(report.splits[0].pictures == 205);
  CHECK(report.splits[0].boxes_per_class == std::vector<std::int64_t>{2381, 214, 209});
  CHECK(report.splits[1].boxes == 1137);
  CHECK(report.splits[2].boxes == 945);
  CHECK(report.splits[2].max_boxes == 24);
}

TEST_CASE("one annotation file with its folder is checked alone; pictures not in it are named") {
  const Folder set;
  const DatasetReport report = check_coco(set.folder / "train.json", set.folder / "images");
  CHECK(report.splits.at(0).pictures == 4);
  REQUIRE(find(report, "unlisted_picture"));
  CHECK(find(report, "unlisted_picture")->count == 2);
  CHECK_THAT(find(report, "unlisted_picture")->where, Catch::EndsWith("p4.png"));
}

TEST_CASE("the same bytes twice are named, inside a split and across splits") {
  const Folder set;
  fs::copy_file(set.picture(0), set.picture(1), fs::copy_options::overwrite_existing);
  fs::copy_file(set.picture(2), set.picture(5), fs::copy_options::overwrite_existing);
  const DatasetReport report = set.check();
  CHECK(report.problems.size() == 2);
  CHECK_THAT(find(report, "duplicate_picture")->where,
             Catch::Contains("p1.png = train: ") && Catch::EndsWith("p0.png"));
  CHECK_THAT(find(report, "duplicate_across_splits")->where, Catch::Contains("val: ") && Catch::EndsWith("p2.png"));
}

TEST_CASE("the report does not depend on the number of threads") {
  const Folder set;
  for (int i = 0; i < 6; ++i) test::write_file(set.picture(i), "broken");
  CheckOptions options;
  const DatasetReport one = set.check(options);
  options.threads = 4;
  const DatasetReport four = set.check(options);
  REQUIRE(find(one, "unreadable_picture"));
  CHECK(find(one, "unreadable_picture")->count == 6);
  CHECK(find(one, "unreadable_picture")->places == find(four, "unreadable_picture")->places);
  CHECK(one.splits[0].unreadable_pictures == 4);
}

TEST_CASE("pictures that are broken or of another size are errors") {
  const Folder set;
  test::write_small_picture(set.picture(0), 24, 32, 0);
  test::write_file(set.picture(3), "broken");
  const DatasetReport report = set.check();
  CHECK(find(report, "wrong_size")->severity == Severity::kError);
  CHECK_THAT(find(report, "wrong_size")->where, Catch::Contains("p0.png: is 24x32 pixels, but annotated as 32x24"));
  CHECK(find(report, "unreadable_picture")->severity == Severity::kError);
  CHECK(report.splits[0].unreadable_pictures == 1);
}

TEST_CASE("errors of annotations do not stop the check, and come first") {
  const Folder set;
  fs::remove(set.picture(1));
  set.write_split("val", {4, 5},
                  R"(,{"id":9,"image_id":4,"category_id":1},{"id":10,"image_id":4,"category_id":1,"bbox":[1,2,-3,4]})");
  const DatasetReport report = set.check();
  REQUIRE(report.problems.size() == 3);
  CHECK(has_errors(report.problems));
  CHECK(find(report, "bad_field")->where.starts_with("val: "));
  CHECK(find(report, "missing_picture")->severity == Severity::kError);
  CHECK(report.problems.back().kind == "box_inverted");
  CHECK(report.splits[0].pictures == 4);
  CHECK(report.splits[0].unreadable_pictures == 1);
}

TEST_CASE(
    "a split that is no JSON is an error and the rest is checked; one of other classes is an error in its place") {
  const Folder set;
  test::write_file(set.folder / "train.json", "{\"images\": [");
  const DatasetReport report = set.check();
  CHECK_THAT(find(report, "unreadable_split")->where, Catch::StartsWith("train: "));
  CHECK(report.splits.size() == 1);

  Folder other;
  other.categories = R"({"id":1,"name":"cat"},{"id":2,"name":"horse"})";
  other.write_split("val", {4, 5});
  const DatasetReport of_horses = other.check();
  CHECK(of_horses.splits.size() == 2);
  REQUIRE(find(of_horses, "unwanted_class"));
  CHECK_THAT(find(of_horses, "unwanted_class")->where, Catch::StartsWith("val: 'horse': "));
}

TEST_CASE("more boxes than queries, classes without boxes and imbalance are advised on") {
  const Folder set;
  std::string more;
  for (int i = 0; i < 2100; ++i) {
    more += R"(,{"id":)" + std::to_string(100 + i) + R"(,"image_id":0,"category_id":1,"bbox":[1,2,)" +
            std::to_string(1 + i % 20) + ",5]}";
  }
  set.write_split("train", {0, 1, 2, 3}, more);
  set.write_split("val", {4});
  const DatasetReport report = set.check();
  CHECK_THAT(find(report, "more_boxes_than_queries")->where, Catch::Contains("p0.png: 2101 boxes"));
  CHECK_THAT(find(report, "class_without_boxes")->where, Catch::StartsWith("val: ") && Catch::Contains("'dog'"));
  CHECK_THAT(find(report, "imbalance")->where, Catch::Contains("'cat' 2,102, 'dog' 2"));
  CHECK_FALSE(has_errors(report.problems));
  CHECK_FALSE(advises(report, "remove classes without boxes"));  // what is only judged needs no box of each
  CHECK(advises(report, "2700"));                                // a quarter more queries than boxes, in hundreds
  CheckOptions enough;
  enough.queries = 2101;
  CHECK(find(set.check(enough), "more_boxes_than_queries") == nullptr);
}

TEST_CASE("a class without boxes hides no imbalance of the others, and an unread split no picture") {
  Folder set;
  set.categories += R"(,{"id":3,"name":"none"})";
  std::string more;
  for (int i = 0; i < 2100; ++i)
    more += R"(,{"id":)" + std::to_string(100 + i) + R"(,"image_id":0,"category_id":1,"bbox":[1,2,)" +
            std::to_string(1 + i % 20) + ",5]}";
  set.write_split("train", {0, 1, 2, 3}, more);
  const DatasetReport report = set.check();
  REQUIRE(find(report, "imbalance"));
  CHECK_THAT(find(report, "imbalance")->where, Catch::Contains("'dog' 2"));
  test::write_small_picture(set.folder / "later/a.png", 32, 24, 9);
  test::write_file(set.folder / "d.yaml",
                   "train: {images: images, annotations: train.json}\nval: {images: images, annotations: val.json}\n"
                   "test: {images: later, annotations: none.json}\n");
  CHECK(find(set.check(), "unlisted_picture") == nullptr);
}

TEST_CASE("one class may have some hundred times as many boxes as another, and twenty are enough to learn from") {
  const Folder set;
  std::string more;
  for (int i = 0; i < 900; ++i) {
    more += R"(,{"id":)" + std::to_string(100 + i) + R"(,"image_id":)" + std::to_string(i % 4) + R"(,"category_id":)" +
            (i < 18 ? "2" : "1") + R"(,"bbox":[1,2,)" + std::to_string(1 + i % 20) + ",5]}";
  }
  set.write_split("train", {0, 1, 2, 3}, more);
  const DatasetReport report = set.check();
  CHECK(report.splits[0].boxes_per_class == std::vector<std::int64_t>{884, 20});
  CHECK(find(report, "imbalance") == nullptr);
  CHECK_FALSE(advises(report, "can hardly be learnt"));
}

TEST_CASE("boxes are small, medium and large by the same areas as in the metric, sizes told by their middle") {
  const Folder set;
  const std::array<int, 4> sides{100, 300, 120, 110};
  std::string images, annotations;
  for (int i = 0; i < 4; ++i) {
    const std::string id = std::to_string(i), side = std::to_string(sides[static_cast<std::size_t>(i)]);
    test::write_small_picture(set.picture(i), sides[static_cast<std::size_t>(i)], sides[static_cast<std::size_t>(i)],
                              i);
    images += (i ? ",{\"id\":" : "{\"id\":") + id + R"(,"file_name":"p)" + id + R"(.png","width":)" + side +
              ",\"height\":" + side + "}";
  }
  for (int i = 0; i < 4; ++i) {
    const std::string side = std::to_string(std::array{31, 32, 95, 96}[static_cast<std::size_t>(i)]);
    annotations += (i ? ",{\"id\":" : "{\"id\":") + std::to_string(i + 1) +
                   R"(,"image_id":0,"category_id":1,"bbox":[0,0,)" + side + "," + side + "]}";
  }
  test::write_file(set.folder / "train.json", "{\"images\":[" + images + "],\"annotations\":[" + annotations +
                                                  "],\"categories\":[{\"id\":1,\"name\":\"cat\"}]}");
  const DatasetReport report = check_coco(set.folder / "train.json", set.folder / "images");
  const SplitReport& split = report.splits.at(0);
  CHECK(split.boxes_by_size == std::array<std::int64_t, 3>{1, 2, 1});
  CHECK(split.width.min == 100);
  CHECK(split.width.median == 120);
  CHECK(split.width.max == 300);
  CHECK(split.pictures_without_boxes == 3);
  CHECK(advises(report, "75 % of the training pictures have no box"));
}

TEST_CASE("pictures without boxes are told by whether they have a label file, where there is one for each") {
  const test::TemporaryFolder folder;
  for (int i = 0; i < 6; ++i) test::write_small_picture(folder / ("images/p" + std::to_string(i) + ".png"), 32, 24, i);
  test::write_file(folder / "labels/p0.txt", "0 0.5 0.5 0.5 0.5\n");
  test::write_file(folder / "labels/p1.txt", "");
  test::write_file(folder / "d.yaml", "train: images\nnames: [cat]\n");
  const auto check = [&] { return check_dataset(load_dataset_config(folder / "d.yaml")).splits.at(0); };
  const SplitReport yolo = check();
  CHECK(yolo.pictures_without_boxes == 5);
  REQUIRE(yolo.without_boxes);
  CHECK(yolo.without_boxes->no_label_file.count == 4);
  CHECK(yolo.without_boxes->no_label_file.first == std::vector<std::string>{"p2.png", "p3.png", "p4.png"});
  CHECK(yolo.without_boxes->empty_label_file.count == 1);
  CHECK(yolo.without_boxes->empty_label_file.first == std::vector<std::string>{"p1.png"});

  const std::string size = "<annotation><size><width>32</width><height>24</height></size>";
  test::write_file(folder / "xml/p0.xml",
                   size +
                       "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
                       "</bndbox></object></annotation>");
  test::write_file(folder / "xml/p4.xml", size + "</annotation>");
  test::write_file(folder / "d.yaml", "train: {images: images, annotations: xml}\n");
  const SplitReport voc = check();
  REQUIRE(voc.without_boxes);
  CHECK(voc.without_boxes->no_label_file.count == 4);
  CHECK(voc.without_boxes->empty_label_file.first == std::vector<std::string>{"p4.png"});

  CHECK_FALSE(Folder().check().splits.at(0).without_boxes);  // COCO
}

TEST_CASE("a label file without a picture is named; a list of the classes beside it is none") {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "images/a.png", 32, 24, 1);
  test::write_file(folder / "labels/a.txt", "0 0.5 0.5 0.5 0.5\n");
  test::write_file(folder / "labels/b.txt", "0 0.5 0.5 0.5 0.5\n");
  test::write_file(folder / "labels/classes.txt", "cat\n");
  test::write_file(folder / "d.yaml", "train: images\nnames: [cat]\n");
  const DatasetReport report = check_dataset(load_dataset_config(folder / "d.yaml"), {});
  REQUIRE(find(report, "unused_label"));
  CHECK(find(report, "unused_label")->count == 1);
  CHECK_THAT(find(report, "unused_label")->where, Catch::EndsWith("b.txt"));
}

TEST_CASE("boxes and shapes are judged at the network's size, in words") {
  Folder set;
  test::write_file(set.folder / "d.yaml", "train: {images: images, annotations: train.json}\n");
  fs::remove(set.picture(4));
  fs::remove(set.picture(5));
  CheckOptions options;
  options.height = 32;
  options.width = 128;
  const DatasetReport report = set.check(options);
  CHECK(report.problems.empty());
  const SplitReport& split = report.splits.at(0);
  CHECK(split.box_side.median == 21);  // 10x8 of 32x24 at 128x32: 40 by 10.7
  CHECK(split.boxes_below_stride == 0);
  CHECK(split.squeezed_pictures == 4);
  CHECK(split.aspect == Approx(4 / 3.0));
  CHECK(advises(report, "1.3 times as wide as high, the network's input is 32x128; imgsz=64,64 keeps their shape"));
  CHECK(advises(report, "keep a tenth of the pictures back as 'val'"));
  CHECK(advises(report, "4 pictures are few: start from a checkpoint if there is one (cfg=finetune "));
  CHECK(advises(report, "cfg=small-data trains from scratch"));
  CHECK(advises(report, "classes with fewer than 20 boxes can hardly be learnt: 'cat' 2, 'dog' 2"));

  options.height = options.width = 16;
  const DatasetReport small = set.check(options);
  CHECK(small.splits.at(0).boxes_below_stride == 4);
  CHECK(advises(small, "100 % of the boxes are narrower than 8 pixels at 16x16"));
  options.width = 128;
  CHECK(set.check(options).splits.at(0).boxes_below_stride == 4);  // 40 by 5.3
}

TEST_CASE("a data set without a split to train on is told so") {
  const Folder set;
  const auto says = [](const DatasetReport& report) {
    return std::any_of(report.advice.begin(), report.advice.end(),
                       [](const std::string& sentence) { return sentence.starts_with("there is no 'train'"); });
  };
  CHECK_FALSE(says(set.check()));
  CHECK_FALSE(says(check_coco(set.folder / "train.json", set.folder / "images")));
  test::write_file(set.folder / "d.yaml", "val: {images: images, annotations: val.json}\n");
  CHECK(says(set.check()));
  test::write_file(set.folder / "d.yaml",
                   "train: {images: images, annotations: none.json}\nval: {images: images, annotations: val.json}\n");
  CHECK_FALSE(says(set.check()));  // there is one, and it cannot be read
}

TEST_CASE("an annotation file without categories or without annotations is of no use, and says why") {
  Folder set;
  set.categories = "";
  set.write_split("train", {0, 1, 2, 3});
  const DatasetReport report = check_coco(set.folder / "train.json", set.folder / "images");
  CHECK(find(report, "no_categories")->severity == Severity::kError);
  CHECK(find(report, "no_boxes")->severity == Severity::kError);
  CHECK(std::any_of(report.advice.begin(), report.advice.end(), [](const std::string& sentence) {
    return sentence.starts_with("write a category for each class");
  }));
}

TEST_CASE("the sheet of labels shows pictures with their boxes, broken ones left out") {
  const Folder set;
  test::write_file(set.picture(1), "broken");
  CheckOptions options;
  CHECK(set.check(options).labels.width == 0);
  options.label_tiles = 3;
  const Picture sheet = set.check(options).labels;
  CHECK(sheet.width > 2 * 320);
  CHECK(sheet.height < 2 * 350);
}

TEST_CASE("many crowds among the annotations are advised on") {
  const Folder set;
  const std::string crowd = R"(,{"id":90,"image_id":0,"category_id":1,"bbox":[0,0,9,9],"iscrowd":1})";
  set.write_split("train", {0, 1, 2, 3}, crowd);
  const auto says_crowds = [](const std::string& sentence) {
    return sentence.starts_with("20 % of the annotations are crowds (iscrowd 1)");
  };
  CHECK(std::ranges::count_if(set.check().advice, says_crowds) == 1);
  CHECK(std::ranges::count_if(Folder().check().advice, says_crowds) == 0);
}
