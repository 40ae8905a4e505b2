#include "data/formats/coco_annotations.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;

namespace {

std::string file_with(const std::string& annotations,
                      const std::string& images = R"({"id":1,"file_name":"a.jpg","width":64,"height":48})",
                      const std::string& categories = R"({"id":5,"name":"cat"},{"id":3,"name":"dog"})") {
  return R"({"info":{"year":2024},"images":[)" + images + R"(],"annotations":[)" + annotations + R"(],"categories":[)" +
         categories + "]}";
}

CocoAnnotations parse(const std::string& text) { return parse_coco_annotations(text, "a.json"); }

const DataProblem* find(const CocoAnnotations& file, const std::string& kind) {
  const auto found =
      std::find_if(file.problems.begin(), file.problems.end(), [&](const auto& p) { return p.kind == kind; });
  return found == file.problems.end() ? nullptr : &*found;
}

const std::string kGood = R"({"id":1,"image_id":1,"category_id":3,"bbox":[1,2,30,20],"area":450.5,"iscrowd":0})";

}  // namespace

TEST_CASE("images, categories and annotations are read, segmentations passed over") {
  const CocoAnnotations file = parse(file_with(
      R"({"segmentation":[[1,2,3,4,5,6]],"id":10,"image_id":1,"category_id":3,"bbox":[1,2,30,20],"area":450.5,"iscrowd":0},
         {"segmentation":{"counts":"abc\\","size":[48,64]},"id":11,"image_id":1,"category_id":5,"bbox":[0,0,64,48],"iscrowd":1})"));
  CHECK(file.problems.empty());
  REQUIRE(file.images.size() == 1);
  CHECK(file.images[0].file_name == "a.jpg");
  CHECK(file.images[0].width == 64);
  REQUIRE(file.categories.size() == 2);
  CHECK(file.categories[0].id == 3);
  CHECK(file.categories[0].name == "dog");
  REQUIRE(file.annotations.size() == 2);
  CHECK(file.annotations[0].area == 450.5);
  CHECK_FALSE(file.annotations[0].crowd);
  CHECK(file.annotations[1].crowd);
}

TEST_CASE("a missing area is w·h, a missing iscrowd is no crowd, iscrowd 2 is one") {
  const CocoAnnotations file = parse(file_with(R"({"id":1,"image_id":1,"category_id":3,"bbox":[1,2,30,20]},
                                                  {"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,4],"iscrowd":2,"area":1})"));
  CHECK(file.problems.empty());
  CHECK(file.annotations[0].area == 600);
  CHECK_FALSE(file.annotations[0].crowd);
  CHECK(file.annotations[1].crowd);
}

TEST_CASE("the order of the lists in the file does not matter") {
  const CocoAnnotations file =
      parse(R"({"annotations":[)" + kGood +
            R"(],"categories":[{"id":3,"name":"dog"}],"images":[{"id":1,"file_name":"a.jpg"}]})");
  CHECK(file.problems.empty());
  CHECK(file.annotations.size() == 1);
  CHECK(file.images[0].width == 0);
}

TEST_CASE("ids may be negative, gapped and beyond 2^31") {
  const CocoAnnotations file = parse(
      file_with(R"({"id":-4,"image_id":99999999999,"category_id":-1,"bbox":[1,2,30,20]})",
                R"({"id":99999999999,"file_name":"a.jpg"})", R"({"id":-1,"name":"x"},{"id":8000000000,"name":"y"})"));
  CHECK(file.problems.empty());
  CHECK(file.annotations[0].image_id == 99999999999);
}

TEST_CASE("empty lists are read") {
  const CocoAnnotations file = parse(R"({"images":[],"annotations":[],"categories":[]})");
  CHECK(file.problems.empty());
  CHECK(file.images.empty());
}

TEST_CASE("a field that is missing or of the wrong type is an error that names record, key and value") {
  const auto [record, fault] = GENERATE(table<std::string, std::string>({
      {R"({"image_id":1,"category_id":3,"bbox":[1,2,3,4]})", "annotations[1]: 'id' is missing"},
      {R"({"id":2,"category_id":3,"bbox":[1,2,3,4]})", "'image_id' is missing"},
      {R"({"id":2,"image_id":1,"bbox":[1,2,3,4]})", "'category_id' is missing"},
      {R"({"id":2,"image_id":1,"category_id":3})", "'bbox' is missing"},
      {R"({"id":"2","image_id":1,"category_id":3,"bbox":[1,2,3,4]})", "'id' must be a whole number, not the text '2'"},
      {R"({"id":2,"image_id":"1","category_id":3,"bbox":[1,2,3,4]})", "'image_id' must be a whole number"},
      {R"({"id":2,"image_id":1,"category_id":3.5,"bbox":[1,2,3,4]})", "not 3.5"},
      {R"({"id":2,"image_id":1,"category_id":99999999999999999999,"bbox":[1,2,3,4]})", "not 99999999999999999999"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3]})", "not a list of 3"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,"4"]})", "not a list with the text '4'"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,1e999]})", "not a list with 1e999"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":"1 2 3 4"})", "not the text"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,4],"area":"9"})", "'area' must be a number"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,4],"area":1e999})", "not 1e999"},
      {R"({"id":2,"image_id":1,"category_id":3,"bbox":[1,2,3,4],"iscrowd":"no"})", "'iscrowd' must be 0 or 1"},
      {R"({"id":2,"id":3,"image_id":1,"category_id":3,"bbox":[1,2,3,4]})", "'id' stands twice"},
      {R"(null)", "annotations[1]: is no object"},
      {R"([2])", "annotations[1]: is no object"},
  }));
  INFO(record);
  const CocoAnnotations file = parse(file_with(kGood + "," + record));
  REQUIRE(find(file, "bad_field"));
  CHECK(find(file, "bad_field")->severity == Severity::kError);
  CHECK_THAT(find(file, "bad_field")->places[0], Catch::Contains(fault));
  CHECK(file.annotations.size() == 1);
}

TEST_CASE("images and categories are checked likewise") {
  CHECK(find(parse(file_with(kGood, R"({"file_name":"a.jpg"})")), "bad_field"));
  CHECK(find(parse(file_with(kGood, R"({"id":"1","file_name":"a.jpg"})")), "bad_field"));
  CHECK(find(parse(file_with(kGood, R"({"id":1,"file_name":7})")), "bad_field"));
  CHECK(find(parse(file_with(kGood, R"({"id":1,"file_name":"a.jpg","width":-5})")), "bad_field"));
  CHECK(find(parse(file_with(kGood, R"({"id":1,"file_name":"a.jpg","width":"64"})")), "bad_field"));
  CHECK(find(parse(file_with(kGood, "{\"id\":1,\"file_name\":\"Gr\xFC\xDF.jpg\"}")), "bad_field"));
  CHECK(find(parse(file_with("", R"({"id":1})", R"({"name":"dog"})")), "bad_field"));
  CHECK(find(parse(file_with("", R"({"id":1})", R"({"id":null,"name":"dog"})")), "bad_field"));
}

TEST_CASE("a list that is missing, or none, is an error") {
  CHECK(find(parse(R"({"images":[],"categories":[]})"), "missing_list"));
  CHECK(find(parse("{}"), "missing_list")->count == 3);
  CHECK(find(parse(R"({"images":{},"annotations":[],"categories":[]})"), "bad_list"));
}

TEST_CASE("an id listed twice alike is a warning and taken once; with two meanings it is an error") {
  const std::string image = R"({"id":1,"file_name":"a.jpg"})", category = R"({"id":3,"name":"dog"})";
  const CocoAnnotations alike = parse(file_with(kGood, image + "," + image, category + "," + category));
  CHECK(alike.images.size() == 1);
  CHECK(alike.categories.size() == 1);
  CHECK(find(alike, "duplicate_image_id")->severity == Severity::kWarning);
  CHECK(find(alike, "duplicate_category_id")->severity == Severity::kWarning);

  const CocoAnnotations other =
      parse(file_with(kGood, image + R"(,{"id":1,"file_name":"b.jpg"})", category + R"(,{"id":3,"name":"cat"})"));
  CHECK(find(other, "duplicate_image_id")->severity == Severity::kError);
  CHECK(find(other, "duplicate_category_id")->severity == Severity::kError);
  CHECK(find(other, "duplicate_category_id")->where == "a.json: category id 3");
}

TEST_CASE("annotation ids used twice, and the id 0, are warned of; every annotation is kept") {
  const CocoAnnotations file =
      parse(file_with(kGood + "," + kGood + R"(,{"id":0,"image_id":1,"category_id":3,"bbox":[1,2,3,4]})"));
  CHECK(file.annotations.size() == 3);
  CHECK(find(file, "duplicate_annotation_id")->severity == Severity::kWarning);
  CHECK(find(file, "annotation_id_0")->severity == Severity::kWarning);
}

TEST_CASE("annotations of unlisted images and categories are counted, the first five named") {
  std::string annotations = kGood;
  for (int i = 0; i < 8; ++i) {
    annotations += R"(,{"id":)" + std::to_string(100 + i) + R"(,"image_id":77,"category_id":88,"bbox":[1,2,3,4]})";
  }
  const CocoAnnotations file = parse(file_with(annotations));
  REQUIRE(find(file, "unknown_image"));
  CHECK(find(file, "unknown_image")->count == 8);
  CHECK(find(file, "unknown_image")->places.size() == 5);
  CHECK(find(file, "unknown_image")->places[0] == "a.json: annotation id 100: image_id 77");
  CHECK(find(file, "unknown_category")->count == 8);
  CHECK_FALSE(has_errors(file.problems));
}

TEST_CASE("categories of one name are warned of; those that nothing is annotated with are marked") {
  const auto annotation = [](int id, int category) {
    return R"({"id":)" + std::to_string(id) + R"(,"image_id":1,"category_id":)" + std::to_string(category) +
           R"(,"bbox":[1,2,3,4]})";
  };
  const auto marked = [](const CocoAnnotations& file) {
    std::vector<std::int64_t> ids;
    for (const auto& category : file.categories)
      if (category.unused_namesake) ids.push_back(category.id);
    return ids;
  };
  const std::string image = R"({"id":1})";
  const std::string three = R"({"id":3,"name":"a"},{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":7,"name":"a"})";
  const CocoAnnotations both = parse(file_with(annotation(1, 1) + "," + annotation(2, 7), image, three));
  CHECK(find(both, "duplicate_category_name")->where == "a.json: 'a': ids 1 and 7");
  CHECK(find(both, "unused_namesake")->count == 1);
  CHECK(marked(both) == std::vector<std::int64_t>{3});
  CHECK(marked(parse(file_with(annotation(1, 1), image, three))) == std::vector<std::int64_t>{3, 7});
  CHECK(marked(parse(file_with(annotation(1, 3), image, three))) == std::vector<std::int64_t>{1, 7});
  CHECK(marked(parse(file_with("", image, three))) == std::vector<std::int64_t>{1, 3});
}

TEST_CASE("more categories than a metric has memory for are refused") {
  std::string categories;
  for (int i = 0; i < 20'001; ++i) categories += (i ? "," : "") + (R"({"id":)" + std::to_string(i)) + "}";
  CHECK_THROWS_WITH(parse(file_with("", R"({"id":1,"file_name":"a.jpg","width":64,"height":48})", categories)),
                    Catch::Contains("a.json: has 20,001 categories"));
}

TEST_CASE("the first place of a fault begins with the file") {
  const CocoAnnotations file = parse(file_with(R"({"id":1,"image_id":1,"category_id":3,"bbox":[1,2]})"));
  REQUIRE(!file.problems.empty());
  CHECK_THAT(describe(file.problems.front()), Catch::Contains("(a.json: "));
}

TEST_CASE("a field that is null is as if it were missing") {
  const CocoAnnotations file = parse(R"({"info":null,"licenses":null,
      "images":[{"id":1,"file_name":"a.jpg","width":null,"height":null,"coco_url":null,"license":null}],
      "annotations":[{"id":1,"image_id":1,"category_id":3,"bbox":[1,2,30,20],"area":null,"iscrowd":null,
                      "segmentation":null,"score":null}],
      "categories":[{"id":3,"name":null,"supercategory":null}]})");
  CHECK(file.problems.empty());
  CHECK(file.images.at(0).width == 0);
  CHECK(file.annotations.at(0).area == 600);
  CHECK_FALSE(file.annotations[0].crowd);
  CHECK(file.categories.at(0).name == "3");

  const CocoAnnotations needed = parse(file_with(R"({"id":1,"image_id":null,"category_id":3,"bbox":null})"));
  CHECK(find(needed, "bad_field")->places ==
        std::vector<std::string>{"a.json: annotations[0]: 'image_id' is null", "annotations[0]: 'bbox' is null"});
  CHECK(find(parse(file_with(R"({"id":1,"id":null,"image_id":1,"category_id":3,"bbox":[1,2,3,4]})")), "bad_field"));
  CHECK(find(parse(R"({"images":null,"annotations":[],"categories":[]})"), "missing_list")->where == "a.json: images");
}

TEST_CASE("a category's name may be a number or a truth value: the text that stands there") {
  const CocoAnnotations file = parse(file_with(
      "", R"({"id":1})", R"({"id":1,"name":1},{"id":2,"name":2.50},{"id":3,"name":true},{"id":4,"name":"x"})"));
  CHECK(file.problems.empty());
  std::vector<std::string> names;
  for (const auto& category : file.categories) names.push_back(category.name);
  CHECK(names == std::vector<std::string>{"1", "2.50", "true", "x"});
  CHECK(find(parse(file_with("", R"({"id":1})", R"({"id":1,"name":["a"]})")), "bad_field"));
}

TEST_CASE("an image without a file name has the last two parts of its URL") {
  const auto [fields, name] = GENERATE(table<std::string, std::string>({
      {R"("coco_url":"http://images.cocodataset.org/val2017/000000397133.jpg")", "val2017/000000397133.jpg"},
      {R"("file_name":null,"coco_url":"https://host/a/b/c.jpg?size=2#x")", "b/c.jpg"},
      {R"("file_name":"","coco_url":"http://host/c.jpg")", "c.jpg"},
      {R"("coco_url":"train2017/7.jpg")", "train2017/7.jpg"},
      {R"("coco_url":"http://host")", ""},
      {R"("coco_url":"")", ""},
      {R"("coco_url":0)", ""},
      {R"("license":1)", ""},
  }));
  INFO(fields);
  const CocoAnnotations file = parse(file_with("", "{\"id\":1," + fields + "}"));
  CHECK(file.problems.empty());
  CHECK(file.images.at(0).file_name == name);
  CHECK(file.images[0].named_by_url == !name.empty());
  const CocoAnnotations named = parse(file_with("", R"({"id":1,"file_name":"a.jpg","coco_url":"http://h/b/c.jpg"})"));
  CHECK(named.images.at(0).file_name == "a.jpg");
  CHECK_FALSE(named.images[0].named_by_url);
}

TEST_CASE("what is no JSON object is thrown, with its place") {
  CHECK_THROWS_WITH(parse("[]"), Catch::Contains("a.json: line 1"));
  CHECK_THROWS_AS(parse(file_with(kGood).substr(0, 90)), DataError);
  CHECK_THROWS_WITH(parse(R"({"images":[],"images":[]})"), Catch::Contains("'images' stands twice"));
  CHECK_THROWS_AS(parse(R"({"images":[)" + std::string(100000, '[')), DataError);
}
