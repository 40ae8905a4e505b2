#include "data/formats/yolo_labels.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "data/dataset/dataset.h"
#include "tests/support/data_files.h"
#include "tests/support/home_folder.h"
#include "tests/support/plain_user.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

struct ParsedLabels {
  std::vector<YoloBox> boxes;
  std::vector<DataProblem> problems;
};

ParsedLabels parse_labels(std::string_view text, std::int64_t classes = 3) {
  ProblemCollector problems;
  ParsedLabels parsed;
  parsed.boxes = parse_yolo_labels(text, "a.txt", classes, problems);
  parsed.problems = problems.take();
  return parsed;
}

void check_box(const YoloBox& box, std::array<double, 4> xywh) {
  for (std::size_t i = 0; i < 4; ++i) CHECK(box.xywh[i] == Approx(xywh[i]).margin(1e-15));
}

/// A data set of two pictures below images/train, 100x50 and 40x40.
struct YoloFolder {
  test::TemporaryFolder folder;

  YoloFolder() {
    test::write_small_picture(folder / "images/train/a.jpg", 100, 50, 1);
    test::write_small_picture(folder / "images/train/sub/b.PNG", 40, 40, 2);
    test::write_file(folder / "d.yaml", "train: images/train\nval: images/train\nnames: [cat, dog]\n");
  }
  void label(const std::string& name, std::string_view text) const {
    test::write_file(folder / ("labels/train/" + name), text);
  }
  Dataset load(const std::string& split = "train", const ClassList* classes = nullptr) const {
    return load_dataset(load_dataset_config(folder / "d.yaml"), split, classes);
  }
  Dataset inspect(const std::string& split = "train") const {
    return inspect_dataset(load_dataset_config(folder / "d.yaml"), split);
  }
};

const DataProblem* find(const std::vector<DataProblem>& problems, const std::string& kind) {
  const auto found = std::find_if(problems.begin(), problems.end(), [&](const auto& p) { return p.kind == kind; });
  return found == problems.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("rows of five numbers are centre boxes, longer ones polygons, also in one file") {
  const ParsedLabels parsed = parse_labels(
      "\xEF\xBB\xBF"
      "0 0.5 0.5 0.2 0.4\r\n\n  2\t0.1 0.2 0.5 0.9 0.3 0.6  \n1 0.5 0.5 1 1");
  CHECK(parsed.problems.empty());
  REQUIRE(parsed.boxes.size() == 3);
  check_box(parsed.boxes[0], {0.4, 0.3, 0.2, 0.4});
  check_box(parsed.boxes[1], {0.1, 0.2, 0.4, 0.7});
  CHECK(parsed.boxes[1].label == 2);
  CHECK(parsed.boxes[1].line == 3);
  CHECK(parsed.boxes[2].line == 4);
}

TEST_CASE("an empty label file has no boxes; identical rows are taken once, with a warning") {
  CHECK(parse_labels("").boxes.empty());
  CHECK(parse_labels("\n \r\n").problems.empty());
  const ParsedLabels parsed = parse_labels("0 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4\n");
  CHECK(parsed.boxes.size() == 2);
  CHECK(find(parsed.problems, "duplicate_box")->where == "a.txt:2");
  CHECK(find(parsed.problems, "duplicate_box")->severity == Severity::kWarning);
  const ParsedLabels numberless = parse_labels("0 nan 0.5 0.2 0.4\n0 nan 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4\n");
  CHECK(numberless.boxes.size() == 3);  // what is no number equals nothing
  CHECK(numberless.problems.empty());
  const ParsedLabels partly = parse_labels("0 0.5 nan 0.2 0.4\n0 0.5 0.4 0.2 0.3\n");
  CHECK(partly.boxes.size() == 2);  // nor does a side that is none make boxes alike
  CHECK(partly.problems.empty());
}

TEST_CASE("a sixth column is the confidence of a prediction: warned of once, and not used") {
  const ParsedLabels parsed =
      parse_labels("0 0.5 0.5 0.2 0.4 0.9\n1 0.5 0.5 1 1 0\n1 0.5 0.5 1 1 1\n2 0.5 0.5 0.5 0.5\n");
  REQUIRE(parsed.boxes.size() == 3);
  check_box(parsed.boxes[0], {0.4, 0.3, 0.2, 0.4});
  CHECK(parsed.boxes[1].label == 1);
  REQUIRE(find(parsed.problems, "confidence_column"));
  CHECK(find(parsed.problems, "confidence_column")->severity == Severity::kWarning);
  CHECK(find(parsed.problems, "confidence_column")->count == 3);
  CHECK(find(parsed.problems, "duplicate_box")->where == "a.txt:3");  // alike but for the confidence
  CHECK_FALSE(has_errors(parsed.problems));
}

TEST_CASE("class numbers may be written as 1.0") { CHECK(parse_labels("1.0 0.5 0.5 0.2 0.4").boxes.at(0).label == 1); }

TEST_CASE("rows that are no labels are errors with file and line") {
  const auto [row, kind, detail] = GENERATE(table<std::string, std::string, std::string>({
      {"0 0.5 0.5 0.2", "bad_row", "a.txt:2: 4 columns"},
      {"0 0.5 0.5 0.2 0.4 1.1", "bad_row", "'1.1'"},
      {"0 0.5 0.5 0.2 0.4 -0.1", "bad_row", "'-0.1'"},
      {"0 0.5 0.5 0.2 0.4 nan", "bad_row", "'nan'"},
      {"0 0.5 0.5 0.2 0.4 x", "bad_row", "'x'"},
      {"0 50 25 20 20 0.9", "not_normalised", "50"},
      {"0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "bad_row", "8 columns"},
      {"0", "bad_row", "1 column"},
      {"0 0.5 0.5 0.2 abc", "bad_row", "'abc'"},
      {"0 0.5,0.5 0.2 0.4 1", "bad_row", "'0.5,0.5'"},
      {"0 0.5 0.5 0.2 1e999", "bad_row", "'1e999'"},
      {"cat 0.5 0.5 0.2 0.4", "bad_class", "'cat'"},
      {"0.5 0.5 0.5 0.2 0.4", "bad_class", "'0.5'"},
      {"nan 0.5 0.5 0.2 0.4", "bad_class", "'nan'"},
      {"inf 0.5 0.5 0.2 0.4", "bad_class", "'inf'"},
      {"3 0.5 0.5 0.2 0.4", "class_out_of_range", "class 3, names has 0 to 2"},
      {"-1 0.5 0.5 0.2 0.4", "class_out_of_range", "class -1"},
      {"4294967296 0.5 0.5 0.2 0.4", "class_out_of_range", "class 4294967296"},
      {"0 50 25 20 20", "not_normalised", "50"},
      {"0 0.1 0.1 0.2 0.2 300 0.3", "not_normalised", "300"},
  }));
  INFO(row);
  const ParsedLabels parsed = parse_labels("0 0.5 0.5 0.2 0.4\n" + row + "\n");
  CHECK(parsed.boxes.size() == 1);
  REQUIRE(find(parsed.problems, kind));
  CHECK(find(parsed.problems, kind)->severity == Severity::kError);
  CHECK_THAT(find(parsed.problems, kind)->where, Catch::StartsWith("a.txt:2: ") && Catch::Contains(detail));
}

TEST_CASE("labels lie in the last images folder's sister, or beside the picture") {
  CHECK(yolo_label_path("/a/images/train/x.jpg") == "/a/labels/train/x.txt");
  CHECK(yolo_label_path("/images/b/images/x.y.png") == "/images/b/labels/x.y.txt");
  CHECK(yolo_label_path("/a/images2/x.jpg") == "/a/images2/x.txt");
  CHECK(yolo_label_path("/a/images/b.images/images") == "/a/labels/b.images/images.txt");
}

TEST_CASE("labels of a relative path are looked for as those of the absolute one") {
  CHECK(yolo_label_path("images/train/x.jpg") == "labels/train/x.txt");
  CHECK(yolo_label_path("./images/x.jpg") == "./labels/x.txt");
  CHECK(yolo_label_path("../images/x.jpg") == "../labels/x.txt");
  CHECK(yolo_label_path("x.jpg") == "x.txt");
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "images/train");
  const test::WorkingFolder inside(folder / "images/train");
  CHECK(yolo_label_path("x.jpg") == fs::current_path().parent_path().parent_path() / "labels/train/x.txt");
}

TEST_CASE("labels beside the pictures of a folder images are found where there is no folder labels") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "images/a.txt", "");
  CHECK(yolo_label_path(folder / "images/a.jpg") == folder / "images/a.txt");
  CHECK(yolo_label_path(folder / "images/b.jpg") == folder / "labels/b.txt");
  fs::create_directories(folder / "labels");
  CHECK(yolo_label_path(folder / "images/a.jpg") == folder / "labels/a.txt");
}

TEST_CASE("a YOLO set is the same from wherever it is used") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  test::write_file(yolo.folder / "list.txt", "images/train/a.jpg\n./images/train/sub/b.PNG\n");
  fs::create_directory_symlink(yolo.folder / "images/train", yolo.folder / "link");
  fs::create_directory_symlink(yolo.folder.path(), yolo.folder / "images/up");
  const auto [from, path, train] = GENERATE(table<std::string, std::string, std::string>({
      {".", ".", "images/train"},
      {".", "./", "./images/train"},
      {".", "images/..", "images//train/"},
      {".", ".", "list.txt"},
      {".", ".", "images\\train"},
      {"images", ".", "images/train"},
      {"images/train", ".", "images/train"},
      {"images/train", "images/train", "."},
      {"labels", "images", "train"},
      {"images/up", ".", "images/train"},
      {"images/up", ".", "list.txt"},
  }));
  INFO("cd " << from << "; path: " << path << ", train: " << train);
  test::write_file(yolo.folder / "d.yaml", "path: '" + path + "'\ntrain: '" + train + "'\nnames: [cat, dog]\n");
  const fs::path up = fs::relative(yolo.folder / "d.yaml", yolo.folder / from);
  const test::WorkingFolder inside(yolo.folder / from);
  for (const fs::path& yaml : {from == "images/up" ? fs::path("d.yaml") : up, yolo.folder / "d.yaml"}) {
    const Dataset data = load_dataset(load_dataset_config(yaml), "train");
    CHECK(data.pictures.size() == 2);
    CHECK(data.boxes.size() == 1);
  }
}

TEST_CASE("a YOLO split is read from its folder: sorted by path, sizes from the pictures") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n0 0.25 0.5 0.5 1\n");
  const Dataset data = yolo.load();
  CHECK(data.problems.empty());
  REQUIRE(data.pictures.size() == 2);
  CHECK(data.pictures[0].file == yolo.folder / "images/train/a.jpg");
  CHECK(data.pictures[0].width == 100);
  CHECK(data.pictures[1].box_count == 0);
  REQUIRE(data.boxes.size() == 2);
  CHECK(data.boxes[0].label == 1);
  CHECK(data.boxes[0].xyxy[0] == Approx(40));
  CHECK(data.boxes[0].xyxy[3] == Approx(35));
  CHECK(data.truth.image_ids == std::vector<std::int64_t>{0, 1});
  CHECK(data.truth.category_ids == std::vector<std::int64_t>{0, 1});
  CHECK(data.truth.truths[1].annotation_id == 2);
  CHECK(data.truth.truths[1].area == Approx(50 * 50));
  CHECK(data.truth.truths[1].box_xywh[2] == Approx(50));
  const Sample sample = load_sample(data, 0);
  CHECK(sample.boxes.size() == 2);
}

TEST_CASE("a YOLO split's folder is searched through, however deep, and a link to a folder above it ends") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  test::write_small_picture(yolo.folder / "images/train/1/2/3/4/5/6/c.jpg", 40, 40, 3);
  CHECK(yolo.load().pictures.size() == 3);
  for (const char* link : {"again", "once more"})
    fs::create_directory_symlink(yolo.folder / "images/train/sub", yolo.folder / "images/train/sub" / link);
  fs::create_directory_symlink("..", yolo.folder / "images/train/all");
  const Dataset data = yolo.load();
  CHECK(data.pictures.size() == 3);
  REQUIRE(find(data.problems, "link_to_above"));
  CHECK(find(data.problems, "link_to_above")->count == 3);

  // Two folders with links to each other: each once more in the other's, and no further.
  test::write_small_picture(yolo.folder / "elsewhere/d.jpg", 40, 40, 4);
  fs::create_directory_symlink(yolo.folder / "elsewhere", yolo.folder / "images/train/other");
  fs::create_directory_symlink(yolo.folder / "images/train/sub", yolo.folder / "elsewhere/back");
  fs::create_directory_symlink(yolo.folder / "elsewhere", yolo.folder / "images/train/sub/there");
  CHECK(yolo.load().pictures.size() == 3 + 1 + 1 + 1);
}

TEST_CASE("a YOLO split can be a list of pictures, relative to the list") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  test::write_file(yolo.folder / "lists/train.txt", "./../images/train/a.jpg\r\n\n../images/train/a.jpg\n");
  test::write_file(yolo.folder / "d.yaml", "train: [lists/train.txt, images/train/sub]\nnames: [cat, dog]\n");
  const Dataset data = yolo.load();
  CHECK(data.pictures.size() == 2);
  CHECK(data.boxes.size() == 1);
  CHECK(find(data.problems, "repeated_picture")->count == 1);

  test::write_file(yolo.folder / "lists/train.txt",
                   "\xEF\xBB\xBF# made by a script\r\n..\\images\\train\\a.jpg\r\nimages/train/sub/b.PNG\n");
  CHECK(yolo.load().pictures.size() == 2);  // the second is found below the root, not beside the list

  test::write_small_picture(yolo.folder / "lists/# 1.jpg", 40, 40, 3);
  test::write_file(yolo.folder / "lists/train.txt", "# a comment\n# 1.jpg\n../images/train/a.jpg\n");
  CHECK(yolo.load().pictures.size() == 3);  // a '#' does not make a picture's name a comment

  test::write_file(yolo.folder / "lists/train.txt", std::string("\xFF\xFE"
                                                                "a\0",
                                                                4));
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("train.txt: the text is UTF-16; save it as UTF-8"));

  test::write_file(yolo.folder / "lists/train.txt", "gone.jpg\n");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("missing_picture") && Catch::Contains("train.txt:1"));
  test::write_file(yolo.folder / "d.yaml", "train: lists/train.txt\nnames: [cat, dog]\n");
  CHECK(find(yolo.inspect().problems, "no_label_files") == nullptr);  // none was looked for
}

TEST_CASE("a tilde in a data set's YAML and lists is the home folder") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  const test::HomeFolder home(yolo.folder.path().c_str());
  test::write_file(yolo.folder / "sub/list.txt", "~/images/train/a.jpg\n");
  for (const char* yaml : {"path: ~/\ntrain: images/train\n", "path: /nowhere\ntrain: ~/images/train\n",
                           "path: '~'\ntrain: images/train\n", "train: ~/sub/list.txt\n"}) {
    INFO(yaml);
    test::write_file(yolo.folder / "sub/d.yaml", std::string(yaml) + "names: [cat, dog]\n");
    CHECK(load_dataset(load_dataset_config(yolo.folder / "sub/d.yaml"), "train").boxes.size() == 1);
  }
}

TEST_CASE("label files that this user may not read are named, not taken for backgrounds") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  yolo.label("sub/b.txt", "1 0.5 0.5 0.2 0.4\n");
  fs::permissions(yolo.folder.path(), fs::perms::all);
  const auto refusal = [&] {
    return test::as_plain_user([&] {
      try {
        return std::to_string(yolo.load().boxes.size()) + " boxes";
      } catch (const DataError& fault) {
        return std::string(fault.what());
      }
    });
  };
  CHECK(refusal() == "2 boxes");
  const std::string hidden = GENERATE("labels/train/sub/b.txt", "labels/train/sub", "labels/train", "labels");
  fs::permissions(yolo.folder / hidden, fs::perms::none);
  CHECK_THAT(refusal(), Catch::Contains("unreadable_label") && Catch::Contains("sub/b.txt': Permission denied"));
  fs::permissions(yolo.folder / hidden, fs::perms::owner_all);
}

TEST_CASE("a label file that is a folder, a link that leads nowhere, or in UTF-16 is an error") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  fs::create_directories(yolo.folder / "labels/train/sub/b.txt");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("sub/b.txt': it is a folder"));
  fs::remove(yolo.folder / "labels/train/sub/b.txt");
  fs::create_symlink("/nowhere/b.txt", yolo.folder / "labels/train/sub/b.txt");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("unreadable_label") && Catch::Contains("sub/b.txt"));
  fs::remove_all(yolo.folder / "labels/train/sub");
  fs::create_directory_symlink("/nowhere", yolo.folder / "labels/train/sub");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("unreadable_label") && Catch::Contains("sub/b.txt"));
  fs::remove(yolo.folder / "labels/train/sub");
  yolo.label("sub/b.txt", std::string_view("\xFF\xFE"
                                           "0\0",
                                           4));
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("bad_encoding") && Catch::Contains("b.txt: the text is UTF-16"));
}

TEST_CASE("labels of another class list are mapped by name") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  const ClassList wanted{{"dog", "bird", "cat"}, {0, 1, 2}};
  const Dataset data = yolo.load("val", &wanted);
  CHECK(data.boxes[0].label == 0);
  CHECK(data.truth.truths[0].category_id == 1);
  CHECK(data.classes.category_ids[0] == 1);
  CHECK(data.classes.category_ids[2] == 0);
  const ClassList without_dogs{{"cat"}, {0}};
  CHECK_THROWS_WITH(yolo.load("val", &without_dogs), Catch::Contains("'dog': 1 annotation"));
  const ClassList without_cats{{"dog"}, {0}};
  const Dataset dogs = yolo.load("val", &without_cats);
  CHECK(dogs.boxes.size() == 1);
  CHECK(dogs.truth.category_ids == std::vector<std::int64_t>{1});
  REQUIRE(find(dogs.problems, "unused_class"));
  CHECK(find(dogs.problems, "unused_class")->where == "'cat'");
}

TEST_CASE("YOLO boxes that cannot be used are left out of training and metric, and named by line") {
  const auto [row, kind] = GENERATE(table<std::string, std::string>({
      {"0 nan 0.5 0.2 0.4", "box_not_finite"},
      {"0 0.1 0.1 nan 0.2 0.3 0.3", "box_not_finite"},
      {"0 0.5 0.5 inf 0.4", "box_not_finite"},
      {"0 0.5 0.5 -0.2 0.4", "box_inverted"},
      {"0 0.5 0.5 0 0.4", "box_zero_area"},
      {"0 0.1 0.1 0.1 0.5 0.1 0.3", "box_zero_area"},
      {"0 1.5 0.5 0.2 0.4", "box_outside"},
      {"0 -0.5 0.5 0.2 0.4", "box_outside"},
  }));
  INFO(row);
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n" + row + "\n");
  const Dataset data = yolo.load();
  CHECK(data.boxes.size() == 1);
  CHECK(data.truth.truths.size() == 1);
  REQUIRE(find(data.problems, kind));
  CHECK_THAT(find(data.problems, kind)->where, Catch::Contains("a.txt:2: "));
}

TEST_CASE("YOLO boxes that reach out are clipped, by more than a pixel with a warning") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.05 0.5 0.2 0.4\n0 0.1 0.5 0.201 0.4");
  const Dataset data = yolo.load();
  CHECK(data.boxes[0].xyxy[0] == 0);
  CHECK(find(data.problems, "box_clipped")->count == 1);
  CHECK(data.truth.truths[0].box_xywh[0] == Approx(-5));
}

TEST_CASE("a YOLO box that reaches out is told in pixels that people read") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.03 0.5 0.201 0.4");  // left is -7.050000000000001
  const Dataset data = yolo.load();
  REQUIRE(find(data.problems, "box_clipped"));
  CHECK_THAT(find(data.problems, "box_clipped")->where,
             Catch::Contains("a.txt:1: left, top, width, height [-7.05, 15, 20.1, 20] pixels"));
}

TEST_CASE("a split without any label is refused and says where they were looked for") {
  YoloFolder yolo;
  const std::string split = GENERATE("train", "val");
  CHECK_THROWS_WITH(yolo.load(split), Catch::Contains("no_boxes") && Catch::Contains("no_label_files"));
  const Dataset data = yolo.inspect(split);
  CHECK_THAT(find(data.problems, "no_label_files")->where, Catch::EndsWith("labels/train/a.txt"));
}

TEST_CASE("a split of backgrounds alone cannot be evaluated on; as test it can be predicted") {
  YoloFolder yolo;
  yolo.label("a.txt", "");
  test::write_file(yolo.folder / "d.yaml", "val: images/train\ntest: images/train\nnames: [cat, dog]\n");
  CHECK_THROWS_WITH(yolo.load("val"), Catch::Contains("pictures without objects alone have no AP"));
  CHECK(yolo.load("test").pictures.size() == 2);
  CHECK_FALSE(has_errors(yolo.inspect("test").problems));
  const DatasetConfig config = load_dataset_config(yolo.folder / "d.yaml");
  CHECK_THROWS_AS(load_evaluated(config, "test", ClassList{{"cat", "dog"}, {0, 1}}), DataError);
}

TEST_CASE("class numbers outside the names refuse the whole data set") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n2 0.5 0.5 0.2 0.4\n");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("class_out_of_range") && Catch::Contains("a.txt:2"));
}

TEST_CASE("training may bear a picture in a thousand that is unreadable; other formats are counted") {
  YoloFolder yolo;
  yolo.label("a.txt", "1 0.5 0.5 0.2 0.4\n");
  test::write_file(yolo.folder / "images/train/c.jpg", "no picture");
  CHECK_THROWS_WITH(yolo.load(), Catch::Contains("unreadable_picture") && Catch::Contains("c.jpg"));
  for (int i = 0; i < 999; ++i) {
    fs::copy_file(yolo.folder / "images/train/a.jpg", yolo.folder / ("images/train/copy" + std::to_string(i) + ".jpg"));
  }
  test::write_file(yolo.folder / "images/train/d.gif", "GIF89a");
  DatasetConfig config = load_dataset_config(yolo.folder / "d.yaml");
  CHECK_THROWS_WITH(load_dataset(config, "train"), Catch::Contains("unreadable_picture"));
  config.max_bad = 0.001;
  const Dataset data = load_dataset(config, "train");
  CHECK(data.pictures.size() == 1002);
  CHECK(find(data.problems, "unreadable_picture")->severity == Severity::kWarning);
  CHECK(find(data.problems, "unsupported_format")->count == 1);
}

TEST_CASE("a folder that is there without the YAML's path is named, and that path is to go") {
  const YoloFolder yolo;
  fs::create_directories(yolo.folder / "mine");
  const auto fault_of = [&](const std::string& splits) {
    test::write_file(yolo.folder / "d.yaml", "path: mine\n" + splits + "names: [cat, dog]\n");
    try {
      yolo.load();
    } catch (const DataError& fault) {
      return std::string(fault.what());
    }
    return std::string();
  };
  const std::string folder = yolo.folder / "", advice = " does: remove 'path', which is relative to the YAML's folder";
  CHECK(fault_of("train: images/train\n") == folder + "d.yaml:2: train: " + folder +
                                                 "mine/images/train: does not exist; " + folder + "images/train" +
                                                 advice);
  test::write_file(yolo.folder / "a.json", "{}");
  CHECK_THAT(fault_of("train: {images: images, annotations: a.json}\n"), Catch::Contains(folder + "a.json" + advice));
  for (const std::string nowhere : {"images/nowhere", "/images/nowhere"})
    CHECK_THAT(fault_of("train: " + nowhere + "\n"), Catch::EndsWith("relative to the YAML, or to its 'path'"));
}

TEST_CASE("folders that do not exist, or have no pictures, are refused") {
  YoloFolder yolo;
  test::write_file(yolo.folder / "d.yaml", "train: images/nowhere\nval: empty\ntest: d.yaml\nnames: [cat]\n");
  fs::create_directories(yolo.folder / "empty");
  CHECK_THROWS_WITH(yolo.load("train"), Catch::Contains("images/nowhere: does not exist"));
  CHECK_THROWS_WITH(yolo.load("val"), Catch::Contains("no_pictures"));
  CHECK_THROWS_WITH(yolo.load("test"), Catch::Contains("neither a folder"));
}
