#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "core/image/picture.h"
#include "core/io/file.h"
#include "data/tools/convert.h"
#include "tests/data/tools/coco_source.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

/// Data sets written in the formats of labelling tools, and read again.
using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

/// Pictures in folders, a class without boxes, a name that XML and JSON must escape, a box over the edge and a crowd.
struct FormatsFolder : test::CocoSource {
  FormatsFolder() {
    test::write_small_picture(folder / "pictures/sub/none.png", 40, 30, 3);
    add_split("train", R"({"images":[
      {"id":9,"file_name":"sub/b.png","width":40,"height":40},{"id":3,"file_name":"a.jpg","width":100,"height":50},
      {"id":4,"file_name":"sub/none.png","width":40,"height":30}],
      "categories":[{"id":5,"name":"zebra <&\"'> ä"},{"id":7,"name":"bird"},{"id":70,"name":"dog"}],"annotations":[
      {"id":11,"image_id":3,"category_id":70,"bbox":[10.1,20.3,30.7,20.9],"area":77,"iscrowd":0},
      {"id":12,"image_id":9,"category_id":5,"bbox":[-5,30,20,20],"area":400,"iscrowd":0},
      {"id":13,"image_id":9,"category_id":5,"bbox":[1,1,30,30],"area":900,"iscrowd":1}]})");
  }
};

/// The boxes by the pictures' names, in the order of a picture's.
std::map<std::string, std::vector<MetricTruth>> boxes_by_picture(const Dataset& data) {
  std::map<std::int64_t, std::string> names;
  std::map<std::string, std::vector<MetricTruth>> boxes;
  for (const auto& picture : data.pictures) boxes[names[picture.id] = picture.file.filename().string()];
  for (const MetricTruth& truth : data.truth.truths) boxes[names.at(truth.image_id)].push_back(truth);
  return boxes;
}

std::string class_name(const Dataset& data, std::int64_t id) {
  for (std::size_t i = 0; i < data.classes.names.size(); ++i) {
    if (data.classes.category_ids[i] == id) return data.classes.names[i];
  }
  return "";
}

}  // namespace

TEST_CASE(
    "a data set that is written and read again has the same pictures, classes and boxes, to the last bit or nearly") {
  const auto format = GENERATE(values(
      {AnnotationFormat::kVoc, AnnotationFormat::kCvat, AnnotationFormat::kLabelme, AnnotationFormat::kDatumaro}));
  INFO(word_of(format, kWritableFormatWords));
  const FormatsFolder source;
  const test::TemporaryFolder out;
  const bool crowds = format == AnnotationFormat::kDatumaro;
  const Conversion conversion = convert_dataset(source.config(), out / "set", {.to = format});
  CHECK(conversion.splits[0].boxes == (crowds ? 3 : 2));
  CHECK(conversion.splits[0].left_out == (crowds ? 0 : 1));

  const DatasetConfig config = load_dataset_config(conversion.config);
  CHECK(config.splits[0].format == format);
  const Dataset before = load_dataset(source.config(), "train"), after = load_dataset(config, "train");
  CHECK(after.classes.names == before.classes.names);
  CHECK(after.boxes.size() == before.boxes.size());
  const auto old_boxes = boxes_by_picture(before), new_boxes = boxes_by_picture(after);
  REQUIRE(new_boxes.size() == 3);
  for (const auto& [picture, boxes] : new_boxes) {
    INFO(picture);
    const auto& old = old_boxes.at(picture);
    REQUIRE(boxes.size() == (crowds || picture != "b.png" ? old.size() : old.size() - 1));
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      CHECK(class_name(after, boxes[i].category_id) == class_name(before, old[i].category_id));
      CHECK(boxes[i].crowd == old[i].crowd);
      // Corners are written: a side is a difference, off by rounding alone.
      for (std::size_t j = 0; j < 4; ++j) CHECK(boxes[i].box_xywh[j] == Approx(old[i].box_xywh[j]).epsilon(1e-14));
    }
  }
}

TEST_CASE("the format of a written set is told by its content as well") {
  const auto format = GENERATE(values(
      {AnnotationFormat::kVoc, AnnotationFormat::kCvat, AnnotationFormat::kLabelme, AnnotationFormat::kDatumaro}));
  const FormatsFolder source;
  const test::TemporaryFolder out;
  const Conversion conversion = convert_dataset(source.config(), out / "set", {.to = format});
  std::string yaml = read_text_file(conversion.config);
  const auto at = yaml.find("format: ");
  REQUIRE(at != std::string::npos);
  yaml.replace(yaml.rfind('\n', at), yaml.find('\n', at) - yaml.rfind('\n', at), "");
  test::write_file(conversion.config, yaml);
  INFO(yaml);
  CHECK(load_dataset_config(conversion.config).splits[0].format == format);
}

TEST_CASE("pictures that would share an annotation file or an id are refused") {
  const FormatsFolder source;
  test::write_small_picture(source.folder / "pictures/a.png", 100, 50, 4);
  test::write_file(source.folder / "train.json", R"({"images":[{"id":1,"file_name":"a.jpg","width":100,"height":50},
    {"id":2,"file_name":"a.png","width":100,"height":50}],"categories":[{"id":5,"name":"cat"}],
    "annotations":[{"id":1,"image_id":1,"category_id":5,"bbox":[1,2,3,4]}]})");
  const test::TemporaryFolder out;
  for (const AnnotationFormat format :
       {AnnotationFormat::kVoc, AnnotationFormat::kLabelme, AnnotationFormat::kDatumaro}) {
    CHECK_THROWS_WITH(convert_dataset(source.config(), out / "set", {.to = format}),
                      Catch::Contains("a.jpg and a.png differ in their extension alone"));
    CHECK_FALSE(fs::exists(out / "set"));
  }
  CHECK(convert_dataset(source.config(), out / "set", {.to = AnnotationFormat::kCvat}).splits[0].boxes == 1);
}

TEST_CASE("a format that is read alone is not written") {
  const FormatsFolder source;
  const test::TemporaryFolder out;
  CHECK_THROWS_AS(convert_dataset(source.config(), out / "set", {.to = AnnotationFormat::kKitti}), InternalError);
}
