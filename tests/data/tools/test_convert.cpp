#include "data/tools/convert.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/image/picture.h"
#include "core/io/file.h"
#include "tests/data/tools/coco_source.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

/// Two COCO splits with gapped ids in different orders, a crowd, a box over the edge, and pictures in folders.
struct ConvertedFolder : test::CocoSource {
  ConvertedFolder() {
    test::write_small_picture(folder / "pictures/c.jpg", 60, 60, 3);
    add_split("train", R"({"images":[
      {"id":9,"file_name":"sub/b.png","width":40,"height":40},{"id":3,"file_name":"a.jpg","width":100,"height":50}],
      "categories":[{"id":70,"name":"dog"},{"id":5,"name":"cat"}],"annotations":[
      {"id":11,"image_id":3,"category_id":70,"bbox":[10.5,20,30.25,20],"area":77,"iscrowd":0},
      {"id":12,"image_id":9,"category_id":5,"bbox":[-5,30,20,20],"area":400,"iscrowd":0},
      {"id":13,"image_id":9,"category_id":5,"bbox":[1,1,30,30],"area":900,"iscrowd":1}]})");
    add_split("val", R"({"images":[{"id":1,"file_name":"c.jpg","width":60,"height":60}],
      "categories":[{"id":2,"name":"cat"},{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[0,0,60,60],"area":3600,"iscrowd":0}]})");
  }
};

std::string fingerprint(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = read_text_file(entry.path());
  }
  Sha256 hash;
  for (const auto& [name, text] : files) {
    for (const std::string& part : {name, text}) hash.update(std::as_bytes(std::span(part)));
  }
  return hash.hex_digest();
}

void check_same_training_data(const Dataset& a, const Dataset& b) {
  CHECK(a.classes.names == b.classes.names);
  REQUIRE(a.pictures.size() == b.pictures.size());
  REQUIRE(a.boxes.size() == b.boxes.size());
  std::map<std::string, const Dataset::PictureEntry*> by_name;
  for (const auto& picture : b.pictures) by_name[picture.file.filename().string()] = &picture;
  for (const auto& picture : a.pictures) {
    const auto& other = *by_name.at(picture.file.filename().string());
    CHECK(fs::canonical(picture.file) == fs::canonical(other.file));
    CHECK(picture.width == other.width);
    REQUIRE(picture.box_count == other.box_count);
    for (std::uint32_t i = 0; i < picture.box_count; ++i) {
      const auto &box = a.boxes[picture.first_box + i], &same = b.boxes[other.first_box + i];
      CHECK(box.label == same.label);
      for (std::size_t j = 0; j < 4; ++j) CHECK(box.xyxy[j] == Approx(same.xyxy[j]).margin(1e-5));
    }
  }
}

}  // namespace

TEST_CASE("COCO to COCO keeps everything, with the ids of the first split") {
  const ConvertedFolder set;
  const std::string before = fingerprint(set.folder.path());
  const test::TemporaryFolder out;
  const Conversion conversion = convert_dataset(set.config(), out / "coco", {.to = AnnotationFormat::kCoco});
  REQUIRE(conversion.splits.size() == 2);
  CHECK(conversion.splits[0].pictures == 2);
  CHECK(conversion.splits[0].boxes == 3);
  CHECK(conversion.splits[0].left_out == 0);
  const DatasetConfig config = load_dataset_config(conversion.config);
  const ClassList classes = load_dataset(set.config(), "train").classes;  // val's ids are in another order
  for (const char* split : {"train", "val"}) {
    const Dataset from = load_dataset(set.config(), split, &classes), to = load_dataset(config, split);
    check_same_training_data(from, to);
    REQUIRE(from.truth.truths.size() == to.truth.truths.size());
    CHECK(to.classes.category_ids == std::vector<std::int64_t>{5, 70});
    for (std::size_t i = 0; i < from.truth.truths.size(); ++i) {
      const MetricTruth &a = from.truth.truths[i], &b = to.truth.truths[i];
      CHECK(a.annotation_id == b.annotation_id);
      CHECK(a.image_id == b.image_id);
      CHECK(a.box_xywh == b.box_xywh);
      CHECK(a.area == b.area);
      CHECK(a.crowd == b.crowd);
    }
  }
  CHECK(fingerprint(set.folder.path()) == before);
}

TEST_CASE("COCO to YOLO and back keeps what YOLO can say") {
  const ConvertedFolder set;
  const test::TemporaryFolder out;
  const Conversion yolo = convert_dataset(set.config(), out / "yolo/", {.to = AnnotationFormat::kYolo});
  CHECK(yolo.splits[0].boxes == 2);
  CHECK(yolo.splits[0].left_out == 1);  // the crowd
  CHECK(fs::is_symlink(out / "yolo/images/train/sub/b.png"));
  CHECK(read_text_file(out / "yolo/labels/train/a.txt") == "1 0.25625 0.6 0.3025 0.4\n");
  const DatasetConfig yolo_config = load_dataset_config(yolo.config);
  check_same_training_data(load_dataset(set.config(), "train"), load_dataset(yolo_config, "train"));

  const Conversion back = convert_dataset(yolo_config, out / "back", {.to = AnnotationFormat::kCoco});
  const DatasetConfig back_config = load_dataset_config(back.config);
  for (const char* split : {"train", "val"}) {
    check_same_training_data(load_dataset(yolo_config, split), load_dataset(back_config, split));
  }
}

TEST_CASE("a box over the right and lower edge is cut there for YOLO, which knows no more") {
  const ConvertedFolder set;
  test::write_file(set.folder / "val.json", R"({"images":[{"id":1,"file_name":"c.jpg","width":60,"height":60}],
      "categories":[{"id":2,"name":"cat"},{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[45,30,60,60],"area":3600,"iscrowd":0}]})");
  const test::TemporaryFolder out;
  convert_dataset(set.config(), out / "yolo", {.to = AnnotationFormat::kYolo});
  CHECK(read_text_file(out / "yolo/labels/val/c.txt") == "1 0.875 0.75 0.25 0.5\n");
}

TEST_CASE("a box that is no number is left out of what is written, and counted") {
  const ConvertedFolder set;
  test::write_file(set.folder / "val.json", R"({"images":[{"id":1,"file_name":"c.jpg","width":60,"height":60}],
      "categories":[{"id":2,"name":"cat"},{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[NaN,30,60,60],"area":3600,"iscrowd":0},
      {"id":2,"image_id":1,"category_id":1,"bbox":[1,1,9,9],"area":81,"iscrowd":0}]})");
  const test::TemporaryFolder out;
  for (const AnnotationFormat to : {AnnotationFormat::kYolo, AnnotationFormat::kCoco}) {
    const fs::path folder = out / (to == AnnotationFormat::kYolo ? "yolo" : "coco");
    const Conversion conversion = convert_dataset(set.config(), folder, {.to = to});
    CHECK(conversion.splits.at(1).boxes == 1);
    CHECK(conversion.splits.at(1).left_out == 1);
    CHECK(load_dataset(load_dataset_config(conversion.config), "val").truth.truths.size() == 1);
  }
}

TEST_CASE("a class of the list that no file has is written with the smallest free id") {
  const ConvertedFolder set;
  for (const char* split : {"train", "val"}) {
    test::write_file(set.folder / (std::string(split) + ".json"),
                     R"({"images":[{"id":1,"file_name":"c.jpg","width":60,"height":60}],
      "categories":[{"id":0,"name":"cat"},{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9]},{"id":2,"image_id":1,"category_id":0,"bbox":[2,2,9,9]}]})");
  }
  test::write_file(set.folder / "d.yaml", read_text_file(set.folder / "d.yaml") + "names: [horse, dog, cat, cow]\n");
  const test::TemporaryFolder out;
  const Conversion conversion = convert_dataset(set.config(), out / "coco", {.to = AnnotationFormat::kCoco});
  const std::string written = read_text_file(out / "coco/annotations/instances_train.json");
  for (const char* category : {R"({"id":2,"name":"horse"})", R"({"id":1,"name":"dog"})", R"({"id":0,"name":"cat"})",
                               R"({"id":3,"name":"cow"})"}) {
    CHECK_THAT(written, Catch::Contains(category));
  }
  CHECK(load_dataset(load_dataset_config(conversion.config), "train").boxes.size() == 2);
}

TEST_CASE("links are relative: the source and what was made of it can be moved together") {
  const ConvertedFolder set;
  const test::TemporaryFolder out;
  const fs::path both = out / "both";
  fs::create_directories(both / "deep");
  fs::copy(set.folder.path(), both / "source", fs::copy_options::recursive);
  fs::create_directory_symlink(both / "deep", out / "detour");  // the links lead from where the folder really is
  convert_dataset(load_dataset_config(both / "source/d.yaml"), out / "detour/yolo", {.to = AnnotationFormat::kYolo});
  CHECK(fs::read_symlink(both / "deep/yolo/images/train/sub/b.png").is_relative());
  fs::rename(both, out / "moved");
  const Dataset moved = load_dataset(load_dataset_config(out / "moved/deep/yolo/dataset.yaml"), "train");
  CHECK(moved.boxes.size() == 2);
  CHECK(read_picture(out / "moved/deep/yolo/images/train/a.jpg").width == 100);
}

TEST_CASE("a conversion with copies stands alone, with the same bytes") {
  const ConvertedFolder set;
  fs::rename(set.folder / "pictures/a.jpg", set.folder / "original.jpg");
  fs::create_symlink("../original.jpg", set.folder / "pictures/a.jpg");
  const test::TemporaryFolder out;
  convert_dataset(set.config(), out / "yolo", {.to = AnnotationFormat::kYolo, .copy_pictures = true});
  const fs::path copy = out / "yolo/images/train/a.jpg";
  CHECK_FALSE(fs::is_symlink(copy));
  CHECK(read_text_file(copy) == read_text_file(set.folder / "original.jpg"));
  fs::remove_all(set.folder.path());
  CHECK(load_dataset(load_dataset_config(out / "yolo/dataset.yaml"), "train").boxes.size() == 2);
}

TEST_CASE("an unused category of another's name is not written; two used ones are refused") {
  const ConvertedFolder set;
  const auto write = [&](const char* split, const char* picture, int category) {
    test::write_file(set.folder / (std::string(split) + ".json"),
                     R"({"images":[{"id":1,"file_name":")" + std::string(picture) +
                         R"("}],"categories":[{"id":0,"name":"dog"},{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9]},{"id":2,"image_id":1,"category_id":)" +
                         std::to_string(category) + R"(,"bbox":[2,2,9,9]}]})");
  };
  write("train", "a.jpg", 1);
  write("val", "c.jpg", 1);
  const test::TemporaryFolder out;
  for (const AnnotationFormat to : {AnnotationFormat::kYolo, AnnotationFormat::kCoco}) {
    const fs::path folder = out / (to == AnnotationFormat::kYolo ? "yolo" : "coco");
    const DatasetConfig written = load_dataset_config(convert_dataset(set.config(), folder, {.to = to}).config);
    CHECK(written.names == std::vector<std::string>{"dog"});
    CHECK(load_dataset(written, "train").boxes.size() == 2);
    CHECK(load_dataset(written, "val").boxes.size() == 2);
  }
  write("train", "a.jpg", 0);
  for (const AnnotationFormat to : {AnnotationFormat::kYolo, AnnotationFormat::kCoco}) {
    CHECK_THROWS_WITH(convert_dataset(set.config(), out / "refused", {.to = to}),
                      Catch::Contains("ids 0 and 1 are both called 'dog'"));
    CHECK_FALSE(fs::exists(out / "refused"));
  }
}

TEST_CASE("VOC is converted like the others") {
  const ConvertedFolder set;
  test::write_file(set.folder / "xml/c.xml",
                   "<annotation><object><name>dog</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax>"
                   "<ymax>40</ymax></bndbox></object></annotation>");
  test::write_file(set.folder / "list.txt", "c\n");
  test::write_file(set.folder / "d.yaml",
                   "train: {images: pictures, annotations: xml, list: list.txt}\nnames: ['0: cat', dog]\n");
  const test::TemporaryFolder out;
  const Conversion conversion = convert_dataset(set.config(), out / "coco", {.to = AnnotationFormat::kCoco});
  const Dataset data = load_dataset(load_dataset_config(conversion.config), "train");
  CHECK(data.classes.names == std::vector<std::string>{"0: cat", "dog"});
  REQUIRE(data.boxes.size() == 1);
  CHECK(data.boxes[0].label == 1);
  CHECK(data.boxes[0].xyxy == std::array<float, 4>{1, 2, 30, 40});
}

TEST_CASE("a test split that is not on disk is left out of a conversion") {
  const ConvertedFolder set;
  test::write_file(set.folder / "d.yaml",
                   "train: {images: pictures, annotations: train.json}\n"
                   "test: {images: pictures, annotations: test.json}\n");
  const test::TemporaryFolder out;
  Conversion conversion;
  const std::string log = test::stderr_of(
      [&] { conversion = convert_dataset(set.config(), out / "yolo", {.to = AnnotationFormat::kYolo}); });
  CHECK_THAT(log, Catch::Contains("'test' is not on disk; left out"));
  CHECK(conversion.splits.size() == 1);
  CHECK(load_dataset_config(conversion.config).find("test") == nullptr);
}

TEST_CASE("a missing picture is not left out of a conversion but refused") {
  const ConvertedFolder set;
  fs::remove(set.folder / "pictures/a.jpg");
  const test::TemporaryFolder out;
  CHECK_THROWS_WITH(convert_dataset(set.config(), out / "yolo", {.to = AnnotationFormat::kYolo}),
                    Catch::Contains("missing_picture") && Catch::Contains("a.jpg"));
  CHECK_FALSE(fs::exists(out / "yolo"));
}

TEST_CASE("a folder that cannot be replaced is refused before a picture is placed, an empty one is replaced") {
  const ConvertedFolder set;
  const test::TemporaryFolder out;
  fs::create_directories(out / "real");
  fs::create_directory_symlink(out / "real", out / "link");
  CHECK_THROWS_WITH(convert_dataset(set.config(), out / "link", {.to = AnnotationFormat::kYolo}),
                    Catch::Contains("this folder cannot be replaced by a finished one"));
  CHECK(fs::is_empty(out / "real"));
  CHECK(std::distance(fs::directory_iterator(out.path()), fs::directory_iterator{}) == 2);
  CHECK(fs::exists(convert_dataset(set.config(), out / "real/", {.to = AnnotationFormat::kYolo}).config));
}

TEST_CASE("a class that would not be read back under its name is not written") {
  const ConvertedFolder set;
  const test::TemporaryFolder out;
  const auto with_class = [&](const std::string& name) {
    test::write_file(
        set.folder / "val.json",
        R"({"images":[{"id":1,"file_name":"a.jpg","width":100,"height":50}],"categories":[{"id":1,"name":")" + name +
            R"("}],"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9]}]})");
    test::write_file(set.folder / "alone.yaml", "val: {images: pictures, annotations: val.json}\n");
    return load_dataset_config(set.folder / "alone.yaml");
  };
  for (const AnnotationFormat to : {AnnotationFormat::kVoc, AnnotationFormat::kCvat})
    CHECK_THROWS_WITH(convert_dataset(with_class("dog "), out / "x", {.to = to}),
                      Catch::Contains("the class 'dog ' has blanks at an end of its name"));
  CHECK_THROWS_WITH(convert_dataset(with_class(""), out / "x", {.to = AnnotationFormat::kCoco}),
                    Catch::Contains("the class '' has no name"));
  CHECK_FALSE(fs::exists(out / "x"));
  const Conversion coco = convert_dataset(with_class("dog "), out / "coco", {.to = AnnotationFormat::kCoco});
  CHECK(load_dataset(load_dataset_config(coco.config), "val").classes.names.at(0) == "dog ");
}

TEST_CASE("a conversion that fails leaves no folder, and none that is there is touched") {
  const ConvertedFolder set;
  const test::TemporaryFolder out;
  test::write_file(out / "full/mine.txt", "x");
  CHECK_THROWS_WITH(convert_dataset(set.config(), out / "full", {.to = AnnotationFormat::kYolo}),
                    Catch::Contains("is there already; name a new folder"));
  test::write_small_picture(set.folder / "pictures/a.png", 100, 50, 9);
  test::write_file(set.folder / "val.json", R"({"images":[{"id":1,"file_name":"a.jpg","width":100,"height":50},
      {"id":2,"file_name":"a.png","width":100,"height":50}],"categories":[{"id":1,"name":"dog"}],"annotations":[
      {"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9]}]})");
  CHECK_THROWS_WITH(convert_dataset(set.config(), out / "yolo", {.to = AnnotationFormat::kYolo}),
                    Catch::Contains("a.jpg and a.png differ in their extension alone"));
  CHECK(std::distance(fs::directory_iterator(out.path()), fs::directory_iterator{}) == 1);
  CHECK(fs::exists(out / "full/mine.txt"));
}
