#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "data/loader/loader.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

constexpr int kPictures = 10;

/// Ten pictures of 40x30 with a box each, to train and to evaluate on. The fourth is the one to break.
struct PictureSet {
  test::TemporaryFolder folder;
  fs::path fourth = folder / "images/p3.png";

  explicit PictureSet(AnnotationFormat format) {
    for (int i = 0; i < kPictures; ++i) test::write_small_picture(folder / "images" / name(i), 40, 30, i);
    if (format == AnnotationFormat::kCoco) write_coco();
    if (format == AnnotationFormat::kYolo) write_yolo();
    if (format == AnnotationFormat::kVoc) write_voc();
  }

  DatasetConfig config(double max_bad) const {
    DatasetConfig config = load_dataset_config(folder / "d.yaml");
    config.max_bad = max_bad;
    return config;
  }

 private:
  static std::string name(int i) { return "p" + std::to_string(i) + ".png"; }

  void write_coco() const {
    std::string images, boxes;
    for (int i = 0; i < kPictures; ++i) {
      const std::string comma = i ? "," : "", id = std::to_string(i + 1);
      images += comma + R"({"id":)" + id + R"(,"file_name":")" + name(i) + R"(","width":40,"height":30})";
      boxes += comma + R"({"id":)" + id + R"(,"image_id":)" + id + R"(,"category_id":1,"bbox":[4,6,20,12]})";
    }
    test::write_file(folder / "a.json", R"({"images":[)" + images + R"(],"annotations":[)" + boxes +
                                            R"(],"categories":[{"id":1,"name":"cat"}]})");
    const std::string split = "{images: images, annotations: a.json}\n";
    test::write_file(folder / "d.yaml", "train: " + split + "val: " + split);
  }

  void write_yolo() const {
    std::string list;
    for (int i = 0; i < kPictures; ++i) {
      list += "images/" + name(i) + "\n";
      test::write_file(folder / ("labels/p" + std::to_string(i) + ".txt"), "0 0.35 0.4 0.5 0.4\n");
    }
    test::write_file(folder / "list.txt", list);
    test::write_file(folder / "d.yaml", "train: list.txt\nval: list.txt\nnames: [cat]\n");
  }

  void write_voc() const {
    for (int i = 0; i < kPictures; ++i) {
      test::write_file(folder / ("xml/p" + std::to_string(i) + ".xml"),
                       "<annotation><size><width>40</width><height>30</height></size><object><name>cat</name><bndbox>"
                       "<xmin>4</xmin><ymin>6</ymin><xmax>24</xmax><ymax>18</ymax></bndbox></object></annotation>");
    }
    test::write_file(folder / "d.yaml",
                     "train: {images: images, annotations: xml}\nval: {images: images, annotations: xml}\n");
  }
};

Loader make_loader(const Dataset& dataset, int threads, bool augment) {
  TransformOptions transforms;
  transforms.height = transforms.width = 32;
  transforms.multi_scale = {32};
  transforms.augment = augment;
  LoaderOptions options{.batch_size = 1, .threads = threads, .seed = 5, .shuffle = augment, .max_bad = dataset.max_bad};
  return {dataset, transforms, options};
}

/// Two epochs, a picture each.
std::vector<std::vector<float>> trained_on(const Dataset& dataset, int threads) {
  Loader loader = make_loader(dataset, threads, true);
  std::vector<std::vector<float>> pictures;
  for (int epoch = 0; epoch < 2; ++epoch) {
    loader.start(epoch);
    while (const auto batch = loader.next()) pictures.emplace_back(batch->images.begin(), batch->images.end());
  }
  return pictures;
}

std::size_t count_of(std::string_view word, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a picture that is missing or none is replaced in training; all others come as if it were there") {
  const auto format = GENERATE(AnnotationFormat::kCoco, AnnotationFormat::kYolo, AnnotationFormat::kVoc);
  const bool missing = GENERATE(true, false);
  INFO("format " << static_cast<int>(format) << ", missing " << missing);
  const PictureSet set(format);
  const auto whole = trained_on(load_dataset(set.config(0), "train"), 0);
  fs::remove(set.fourth);
  if (!missing) test::write_file(set.fourth, "no picture");

  std::vector<std::vector<float>> broken;
  const std::string log = test::stderr_of([&] { broken = trained_on(load_dataset(set.config(0.1), "train"), 0); });
  CHECK(count_of("/p3.", log) == 1);
  CHECK(count_of("another picture takes its place", log) == 1);
  REQUIRE(broken.size() == whole.size());
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    int replaced = 0;
    for (std::size_t i = epoch * kPictures; i < (epoch + 1) * kPictures; ++i) replaced += broken[i] != whole[i];
    CHECK(replaced == 1);
  }
  CHECK(trained_on(load_dataset(set.config(0.1), "train"), 2) == broken);
}

TEST_CASE("more missing or unreadable pictures than max_bad allows, and any to evaluate on, are refused by name") {
  const auto format = GENERATE(AnnotationFormat::kCoco, AnnotationFormat::kYolo, AnnotationFormat::kVoc);
  const PictureSet set(format);
  fs::remove(set.fourth);
  CHECK_THROWS_WITH(load_dataset(set.config(0.09), "train"),
                    Catch::Contains("missing_picture") && Catch::Contains("p3."));
  CHECK_THROWS_WITH(load_dataset(set.config(1), "val"), Catch::Contains("missing_picture") && Catch::Contains("p3."));

  const Dataset trained = load_dataset(set.config(0.1), "train");
  Loader evaluation = make_loader(trained, 0, false);
  evaluation.start(0);
  for (int i = 0; i < 3; ++i) CHECK(evaluation.next());
  CHECK_THROWS_WITH(evaluation.next(), Catch::Contains("p3."));
}

TEST_CASE("a set without a single readable picture is refused, whatever max_bad allows") {
  const PictureSet set(AnnotationFormat::kVoc);
  fs::remove_all(set.folder / "images");
  fs::create_directories(set.folder / "images");
  CHECK_THROWS_WITH(load_dataset(set.config(1), "train"), Catch::Contains("no_pictures"));
}

TEST_CASE("a link to a picture that leads nowhere is missing, not passed over") {
  const PictureSet set(AnnotationFormat::kYolo);
  test::write_file(set.folder / "d.yaml", "train: images\nval: images\nnames: [cat]\n");
  fs::remove(set.fourth);
  fs::create_symlink(set.folder / "gone.png", set.fourth);
  CHECK_THROWS_WITH(load_dataset(set.config(0), "train"), Catch::Contains("links to pictures lead nowhere"));
  CHECK(load_dataset(set.config(0.1), "train").pictures.size() == kPictures);
}
