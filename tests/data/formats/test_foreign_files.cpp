#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "data/loader/loader.h"
#include "data/tools/doctor.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

/// Data sets with files in them that are no pictures, or none that are read.
using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

constexpr const char* kAppleDouble = "what macOS leaves: no picture";

std::vector<const DataProblem*> find_all(const std::vector<DataProblem>& problems, const std::string& kind) {
  std::vector<const DataProblem*> found;
  for (const DataProblem& problem : problems) {
    if (problem.kind == kind) found.push_back(&problem);
  }
  return found;
}

/// Two pictures in a folder `images` with a box each, in both forms that take whole folders.
struct MixedFolder {
  test::TemporaryFolder folder;

  MixedFolder() {
    for (const char* name : {"a", "b"}) {
      test::write_small_picture(folder / "images" / (std::string(name) + ".jpg"), 40, 30, name[0]);
      label(name);
    }
    configure("[cat, dog]");
  }
  void label(const std::string& stem) const {
    test::write_file(folder / "labels" / (stem + ".txt"), "0 0.5 0.5 0.5 0.5\n");
    test::write_file(folder / "xml" / (stem + ".xml"),
                     "<annotation><size><width>40</width><height>30</height></size><object><name>cat</name><bndbox>"
                     "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>");
  }
  void configure(const std::string& names) const {
    test::write_file(folder / "yolo.yaml", "train: images\nnames: " + names + "\n");
    test::write_file(folder / "voc.yaml", "train: {images: images, annotations: xml}\nnames: " + names + "\n");
  }
  Dataset inspect(const std::string& yaml, const ClassList* classes = nullptr) const {
    return inspect_dataset(load_dataset_config(folder / yaml), "train", classes);
  }
};

}  // namespace

TEST_CASE("hidden files and folders are no pictures: passed over, and said once with the count") {
  const MixedFolder set;
  for (const char* name : {"images/._a.jpg", "images/._b.jpg", "images/.DS_Store", "images/Thumbs.db",
                           "images/.ipynb_checkpoints/a-checkpoint.jpg", "images/__MACOSX/images/._a.jpg",
                           "labels/._a.txt", "labels/.ipynb_checkpoints/a.txt", "xml/__MACOSX/._a.xml"}) {
    test::write_file(set.folder / name, kAppleDouble);
  }
  const auto [yaml, count] = GENERATE(table<const char*, int>({{"yolo.yaml", 4}, {"voc.yaml", 5}}));
  INFO(yaml);
  const DatasetReport report = check_dataset(load_dataset_config(set.folder / yaml));
  for (const DataProblem& problem : report.problems) UNSCOPED_INFO(describe(problem));
  CHECK_FALSE(has_errors(report.problems));
  CHECK(report.splits[0].pictures == 2);
  const auto said = find_all(report.problems, "hidden_file");
  REQUIRE(said.size() == 1);
  CHECK(said[0]->count == count);
  CHECK(find_all(report.problems, "unused_label").empty());
  CHECK(find_all(report.problems, "unlisted_picture").empty());
}

TEST_CASE("lists made of a folder with such files are read without them") {
  const MixedFolder set;
  test::write_file(set.folder / "images/._a.jpg", kAppleDouble);
  test::write_file(set.folder / "yolo.txt", "./images/a.jpg\nimages/._a.jpg\nimages/b.jpg\n");
  test::write_file(set.folder / "voc.txt", "a\n._a\nb\n");
  test::write_file(set.folder / "yolo.yaml", "train: yolo.txt\nnames: [cat]\n");
  test::write_file(set.folder / "voc.yaml", "train: {images: images, annotations: xml, list: voc.txt}\n");
  for (const char* yaml : {"yolo.yaml", "voc.yaml"}) {
    INFO(yaml);
    const Dataset data = set.inspect(yaml);
    CHECK_FALSE(has_errors(data.problems));
    CHECK(data.pictures.size() == 2);
    CHECK(find_all(data.problems, "hidden_file").size() == 1);
  }
}

TEST_CASE(
    "pictures of other formats in a folder are left out, named and counted by kind; capitals are no other format") {
  const MixedFolder set;
  for (const char* name : {"c.GIF", "d.gif", "e.JP2", "f.avif"}) {
    test::write_file(set.folder / "images" / name, "BM");
    set.label(fs::path(name).stem());
  }
  fs::rename(set.folder / "images/a.jpg", set.folder / "images/a.JPeG");
  for (const char* yaml : {"yolo.yaml", "voc.yaml"}) {
    INFO(yaml);
    const Dataset data = set.inspect(yaml);
    for (const DataProblem& problem : data.problems) UNSCOPED_INFO(describe(problem));
    CHECK_FALSE(has_errors(data.problems));
    CHECK(data.pictures.size() == 2);
    const auto said = find_all(data.problems, "unsupported_format");
    REQUIRE(said.size() == 3);
    std::string text;  // the order is the folder's
    for (const DataProblem* problem : said) text += describe(*problem) + "\n";
    CHECK_THAT(text, Catch::Contains("2 × unsupported_format: GIF pictures are not read; left out (") &&
                         Catch::Contains("JPEG 2000 pictures") && Catch::Contains("AVIF pictures"));
  }
}

TEST_CASE(
    "listed pictures of other formats are refused with the format's name, unless they are one that is read inside") {
  const MixedFolder set;
  test::write_file(set.folder / "images/c.gif", "GIF89a and no more");
  fs::rename(set.folder / "images/b.jpg", set.folder / "images/b.heic");
  set.label("c");
  test::write_file(set.folder / "voc.txt", "a\nb\nc\n");
  test::write_file(set.folder / "voc.yaml", "train: {images: images, annotations: xml, list: voc.txt}\n");
  test::write_file(set.folder / "coco.yaml", "train: {images: images, annotations: a.json}\n");
  test::write_file(
      set.folder / "a.json",
      R"({"images":[{"id":1,"file_name":"a.jpg","width":40,"height":30},{"id":2,"file_name":"b.heic","width":40,)"
      R"("height":30},{"id":3,"file_name":"c.gif","width":40,"height":30}],"annotations":[{"id":1,"image_id":1,)"
      R"("category_id":1,"bbox":[1,1,9,9]}],"categories":[{"id":1,"name":"cat"}]})");
  for (const char* yaml : {"voc.yaml", "coco.yaml"}) {
    INFO(yaml);
    const Dataset data = set.inspect(yaml);
    for (const DataProblem& problem : data.problems) UNSCOPED_INFO(describe(problem));
    REQUIRE(data.problems.size() == 1);
    CHECK_THAT(describe(data.problems[0]),
               Catch::StartsWith("unreadable_picture: GIF pictures are not read; convert them to JPEG or PNG") &&
                   Catch::Contains("c.gif"));
    CHECK(data.pictures[1].readable);
    CHECK_FALSE(data.pictures[2].readable);
  }
}

TEST_CASE("class names that differ in capitals alone are warned of where the classes come from") {
  const MixedFolder set;
  set.configure("[cat, Dog, dog, Cat]");
  for (const char* yaml : {"yolo.yaml", "voc.yaml"}) {
    const Dataset data = set.inspect(yaml);
    const auto said = find_all(data.problems, "name_in_two_cases");
    REQUIRE(said.size() == 1);
    CHECK(said[0]->count == 2);
    CHECK(said[0]->places == std::vector<std::string>{"'Dog', 'dog'", "'cat', 'Cat'"});
    CHECK(find_all(set.inspect(yaml, &data.classes).problems, "name_in_two_cases").empty());
  }
  set.configure("[cat, dog]");
  CHECK(find_all(set.inspect("yolo.yaml").problems, "name_in_two_cases").empty());
}

TEST_CASE(
    "a picture that a decoder only warns of is trained on, evaluated on, and named once by the loader and check") {
  const MixedFolder set;
  const fs::path file = set.folder / "images/b.jpg";
  std::string bytes = read_text_file(file);
  const auto whole = read_picture(file).rgb;
  test::write_file(file, bytes.insert(bytes.size() - 2, 40, 'x'));
  const std::string words = "read whole, though the decoder warns: extraneous bytes before a marker (JPEG)";

  const DatasetConfig config = load_dataset_config(set.folder / "yolo.yaml");
  const DatasetReport report = check_dataset(config);
  const auto said = find_all(report.problems, "decoder_warning");
  REQUIRE(said.size() == 1);
  CHECK(said[0]->severity == Severity::kWarning);
  CHECK_THAT(describe(*said[0]), Catch::Contains(words) && Catch::Contains("b.jpg"));

  const Dataset data = load_dataset(config, "train");
  CHECK(load_sample(data, 1).picture.rgb == whole);
  const bool training = GENERATE(true, false);
  TransformOptions transforms;
  transforms.augment = training;
  LoaderOptions options;
  options.batch_size = 1;
  options.threads = GENERATE(0, 2);
  options.max_bad = 0;
  const std::string log = test::stderr_of([&] {
    Loader loader(data, transforms, options);
    for (int epoch = 0; epoch < 2; ++epoch) {
      loader.start(epoch);
      while (loader.next()) continue;
    }
  });
  const auto at = log.find(words);
  REQUIRE(at != std::string::npos);
  CHECK(log.find(words, at + 1) == std::string::npos);
  CHECK_THAT(log, Catch::Contains("1 picture is read whole") && Catch::Contains("b.jpg)"));
}

TEST_CASE("a picture larger than max_pixels is refused with the key's name, and read when it is raised") {
  const MixedFolder set;
  DatasetConfig config = load_dataset_config(set.folder / "yolo.yaml");
  config.limits.max_pixels = 1199;
  CHECK_THROWS_WITH(load_sample(load_dataset(config, "train"), 0), Catch::Contains("max_pixels=1200 reads it"));
  const DatasetReport report = check_dataset(config);
  const auto said = find_all(report.problems, "unreadable_picture");
  REQUIRE(said.size() == 1);
  CHECK(said[0]->count == 2);
  config.limits.max_pixels = 1200;
  CHECK_FALSE(has_errors(check_dataset(config).problems));
  CHECK(load_sample(load_dataset(config, "train"), 0).picture.width == 40);
}
