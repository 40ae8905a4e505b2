#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "data/dataset/dataset.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

DatasetConfig load(const std::string& yaml) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "d.yaml", yaml);
  return load_dataset_config(folder / "d.yaml");
}

/// The message of the ConfigError, without the folder.
std::string fault_of(const std::string& yaml) {
  try {
    load(yaml);
  } catch (const ConfigError& fault) {
    return fault.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a data set YAML holds folders, lists and COCO files, relative to it") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "sub/d.yaml", R"(path: ../data
train: [images/a, images/b.txt]
val: {images: pictures, annotations: val.json}
test:
nc: 2
names: {1: dog, 0: cat}
)");
  const DatasetConfig config = load_dataset_config(folder / "sub/d.yaml");
  CHECK(config.root == folder / "data");
  CHECK(config.names == std::vector<std::string>{"cat", "dog"});
  REQUIRE(config.splits.size() == 2);
  CHECK(config.find("train")->sources == std::vector<fs::path>{folder / "data/images/a", folder / "data/images/b.txt"});
  CHECK(config.find("val")->format == AnnotationFormat::kCoco);
  CHECK(config.find("val")->annotations == folder / "data/val.json");
  CHECK(config.find("val")->line == 3);
  CHECK(config.find("test") == nullptr);
}

TEST_CASE("without a path the YAML's own folder is the root; absolute paths stay") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "d.yaml", "train: images\nval: /elsewhere/val\nnames: [a]\n");
  const DatasetConfig config = load_dataset_config(folder / "d.yaml");
  CHECK(config.find("train")->sources[0] == folder / "images");
  CHECK(config.find("val")->sources[0] == "/elsewhere/val");
}

TEST_CASE("../train means train if only that exists") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "set/train/images");
  test::write_file(folder / "set/d.yaml", "train: ../train/images\nval: ../val/images\nnames: [a]\n");
  const DatasetConfig config = load_dataset_config(folder / "set/d.yaml");
  CHECK(config.find("train")->sources[0] == folder / "set/train/images");
  CHECK(config.find("val")->sources[0] == folder / "val/images");
}

TEST_CASE("names may be left out with COCO, and stand for nc numbers with YOLO") {
  CHECK(load("train: {images: i, annotations: a.json}\n").names.empty());
  CHECK(load("train: {images: i, annotations: a.json}\nnc: 80\n").class_count == 80);
  CHECK(load("train: images\nnc: 2\n").names == std::vector<std::string>{"class_0", "class_1"});
}

TEST_CASE("the data sets that come along are well formed") {
  for (const char* name : {"bccd.yaml", "bccd_overfit8.yaml", "coco.yaml"}) {
    const DatasetConfig config = load_dataset_config(fs::path(RTDETR_SOURCE_DIR) / "configs/datasets" / name);
    CHECK(config.find("train")->format == AnnotationFormat::kCoco);
    CHECK(config.find("val")->format == AnnotationFormat::kCoco);
  }
}

TEST_CASE("mistakes in a data set YAML are answered with line and rule") {
  const auto [yaml, fault] = GENERATE(table<std::string, std::string>({
      {"trian: images\nnames: [a]\n", "d.yaml:1: unknown key 'trian'; did you mean 'train'?"},
      {"train: images\nclasses: [a]\n", "d.yaml:2: unknown key 'classes'; here it is 'names'"},
      {"train: images\nnames: [a]\nkpt_shape: 3\n",
       "d.yaml:3: 'kpt_shape' must be [key points, 2 or 3 values of each]"},
      {"train: images\nnames: [a]\nkpt_shape: [0, 2]\n", "'kpt_shape' must be"},
      {"train: images\nnames: [a]\nkpt_shape: [17, 4]\n", "'kpt_shape' must be"},
      {"train: images\nnames: [a]\nkpt_shape: [17]\n", "'kpt_shape' must be"},
      {"train: a\ntrain: b\nnames: [a]\n", "d.yaml:2: "},
      {"train: {image: i, annotations: a.json}\n", "unknown key 'image'; did you mean 'images'?"},
      {"train: {images: i}\n", "'train' needs 'annotations'"},
      {"train: {images: [i], annotations: a.json}\n", "'train.images' must be a path"},
      {"train: annotations/train.json\nnames: [a]\n", "{images: DIR, annotations: annotations/train.json}"},
      {"train: []\nnames: [a]\n", "'train' is an empty list"},
      {"train: [[a]]\nnames: [a]\n", "'train' must be a path"},
      {"path: [a]\ntrain: i\nnames: [a]\n", "'path' must be a path"},
      {"names: [a]\n", "none of 'train', 'val', 'test' is given"},
      {"train: images\n", "'names' is missing"},
      {"train: images\nnames: []\n", "'names' is empty"},
      {"train: images\nnames: cat\n", "'names' must be a list of names"},
      {"train: images\nnames: [a, b, a]\n", "'names' has 'a' twice"},
      {"train: images\nnames: [a, [b]]\n", "a class name must be a text"},
      {"train: images\nnames: {0: a, 2: b}\n",
       "d.yaml:2: 'names' has the index '2'; its 2 indices must run from 0 to 1"},
      {"train: images\nnames: {1: a, 2: b}\n", "index '2'"},
      {"train: images\nnames: {0: a, x: b}\n", "index 'x'"},
      {"train: images\nnames: {0: a, -1: b}\n", "index '-1'"},
      {"train: images\nnames: [a]\nnc: 2\n", "'nc' is 2, but 'names' has 1"},
      {"train: images\nnc: two\n", "'nc' must be a number of classes"},
      {"train: images\nnc: 0\n", "'nc' must be a number of classes"},
      {"train: images\nnc: 99999999999\n", "'nc' must be a number of classes"},
      {"train: images\nnames: [a]\nchannels: 4\n", "'channels' must be 3"},
      {"[train, val]\n", "a data set is a map"},
      {"train: &x images\nval: *x\nnames: [a]\n", "d.yaml:"},
  }));
  INFO(yaml);
  CHECK_THAT(fault_of(yaml), Catch::Contains(fault));
}

TEST_CASE("keys that are not known are warned of, with the word that is near, and passed over") {
  const DatasetConfig config = load(
      "train: images\nvall: v\nvalidation: w\nnames: [a]\nmy_note: {x: [1]}\n"
      "test: {images: i, annotations: a.json, lst: b}\n");
  CHECK(config.find("val") == nullptr);
  REQUIRE(config.problems.size() == 1);
  const DataProblem& problem = config.problems[0];
  CHECK(problem.kind == "unknown_key");
  CHECK(problem.severity == DataProblem::Severity::kWarning);
  REQUIRE(problem.places.size() == 4);
  CHECK_THAT(problem.places[0], Catch::EndsWith("d.yaml:2: 'vall'; did you mean 'val'?"));
  CHECK_THAT(problem.places[1], Catch::EndsWith("d.yaml:3: 'validation'; here it is 'val'"));
  CHECK_THAT(problem.places[2], Catch::EndsWith("d.yaml:5: 'my_note'"));
  CHECK_THAT(problem.places[3], Catch::EndsWith("d.yaml:6: 'lst'; did you mean 'list'?"));
  const test::TemporaryFolder folder;
  test::write_file(folder / "d.yaml", "train: images\nvall: v\nnames: [a]\n");
  CHECK_THAT(test::stderr_of([&] { load_dataset_config(folder / "d.yaml"); }), Catch::Contains("did you mean 'val'?"));
  CHECK(test::stderr_of([&] { inspect_dataset_config(folder / "d.yaml"); }).empty());
}

TEST_CASE("what other programs write for themselves is read in silence") {
  const DatasetConfig config = load(R"(train: images
names: [bolt, washer]
nc: 2
roboflow:
  workspace: some-shop
  version: 3
  license: CC BY 4.0
colors: ['#ff0000', '#00ff00']
author: me
kpt_shape: [17, 3]
flip_idx: [0, 2, 1]
)");
  CHECK(config.problems.empty());
  CHECK(config.key_points.known);
  CHECK(config.key_points.columns() == 56);
  CHECK_FALSE(load("train: images\nnames: [a]\n").key_points.known);
  const DatasetConfig polygons = load("train: images\nnames: [a]\nkpt_shape: none\n");
  CHECK(polygons.key_points.known);
  CHECK(polygons.key_points.count == 0);
}

TEST_CASE("download is not followed, which is said where the pictures are not there") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "d.yaml", "train: images\nnames: [a]\ndownload: https://example.org/a.zip\n");
  CHECK(load_dataset_config(folder / "d.yaml").problems.at(0).kind == "download");
  fs::create_directories(folder / "images");
  CHECK(load_dataset_config(folder / "d.yaml").problems.empty());
}

TEST_CASE("as many classes as are promised can be named, as a list and as a map") {
  constexpr int kClasses = 100'000;
  const bool as_map = GENERATE(false, true);
  std::string yaml = "train: images\nnames:\n";
  for (int i = 0; i < kClasses; ++i) {
    const std::string number = std::to_string(i);
    yaml += (as_map ? "  " + number + ": " : "- ") + "a class with a name of some length " + number + "\n";
  }
  const DatasetConfig config = load(yaml + "nc: " + std::to_string(kClasses) + "\n");
  CHECK(config.names.size() == kClasses);
  CHECK(config.names.back() == "a class with a name of some length 99999");
}

TEST_CASE("more classes or values than that, and thousands of mistakes, are refused in few words") {
  const auto named_a = [](int count) {
    std::string yaml = "train: images\nnames: [";
    for (int i = 1; i < count; ++i) yaml += "a,";
    return yaml + "a]\n";
  };
  CHECK_THAT(fault_of(named_a(300'001)), Catch::Contains("more than 300,000 values"));
  const std::string faults = fault_of(named_a(100'001));
  CHECK_THAT(faults, Catch::Contains("'names' has more than 100,000 classes") && Catch::Contains("'a' twice") &&
                         Catch::EndsWith("d.yaml: and 99,981 mistakes more"));
  CHECK(std::count(faults.begin(), faults.end(), '\n') == 20);
}

TEST_CASE("all mistakes of a data set YAML are shown together") {
  const std::string fault = fault_of("trian: images\nnames: [a, a]\nnc: 5\n");
  CHECK_THAT(fault, Catch::Contains("trian") && Catch::Contains("twice") && Catch::Contains("'nc' is 5") &&
                        Catch::Contains("none of"));
}

TEST_CASE("a YAML that is not there is an IoError, an unknown split a ConfigError") {
  CHECK_THROWS_AS(load_dataset_config("/nowhere/d.yaml"), IoError);
  CHECK_THROWS_WITH(load_dataset(load("train: images\nval: v\nnames: [a]\n"), "test"),
                    Catch::Contains("no split 'test'; the file has train, val"));
}

TEST_CASE("annotations that no reader is for are named for what they are") {
  const test::TemporaryFolder folder;
  const auto fault = [&](const std::string& annotations) {
    try {
      parse_dataset_config("train: {images: images, annotations: " + annotations + "}\n", folder / "d.yaml");
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  for (const char* file : {"json/a.json", "yolo/a.txt", "voc/sub/a.xml", "voc/readme.txt", "a.csv", "voc.xml",
                           "a.json.gz", "coco.json", "coco"}) {
    test::write_file(folder / file, "0 1 2 3 4");
  }
  fs::create_directories(folder / "empty");
  CHECK_THAT(fault("json"), Catch::Contains("d.yaml:1: 'train': ") && Catch::Contains("holds .json files") &&
                                Catch::Contains("of other formats name the file itself"));
  CHECK_THAT(fault("yolo"), Catch::Contains("holds .txt files") && Catch::Contains("'train: FOLDER_OF_PICTURES'"));
  CHECK_THAT(fault("a.csv"), Catch::Contains("a table needs a header with filename, class"));
  CHECK_THAT(fault("voc.xml"), Catch::Contains("of VOC's the folder is given"));
  CHECK_THAT(fault("a.json.gz"), Catch::Contains("unpack it"));
  for (const char* ours : {"voc", "coco.json", "coco", "empty", "nowhere.csv"}) CHECK(fault(ours) == "accepted");
}

TEST_CASE("a class number without a blank behind its colon is answered with one") {
  CHECK_THAT(fault_of("train: a\nnames:\n  0:cat\n  1:dog\n"),
             Catch::Contains("a blank belongs after each colon: '0: NAME'"));
}
