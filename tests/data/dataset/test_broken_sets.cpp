// Data sets broken in every way that users have met, and what the doctor says of each.

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "core/base/error.h"
#include "core/io/file.h"
#include "data/tools/doctor.h"
#include "tests/support/data_files.h"
#include "tests/support/exif_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Severity = DataProblem::Severity;
namespace fs = std::filesystem;

namespace {

constexpr Severity kWarning = Severity::kWarning, kError = Severity::kError;

/// One data set in the three forms: pictures a.png and b.png to train on, c.png to evaluate on, 64x48, one box each.
class Set {
 public:
  Set() {
    for (const char* split : {"train", "val"}) write_json(split);
    for (const std::string name : {"train/a", "train/b", "val/c"}) {
      picture("images/" + name + ".png", name.back());
      text("labels/" + name + ".txt", "0 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.25 0.25\n");
      voc(name, object("cat", "16", "12", "48", "36") + object("dog", "8", "6", "24", "18"));
    }
    text("coco.yaml",
         "train: {images: images/train, annotations: train.json}\nval: {images: images/val, annotations: val.json}\n");
    text("yolo.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
    text("voc.yaml",
         "train: {images: images/train, annotations: xml/train}\nval: {images: images/val, annotations: xml/val}\n");
  }

  void text(const std::string& name, const std::string& content) const { test::write_file(folder_ / name, content); }
  void picture(const std::string& name, int seed, int width = 64, int height = 48) const {
    test::write_small_picture(folder_ / name, width, height, seed);
  }
  void copy(const std::string& from, const std::string& to) const {
    fs::copy_file(folder_ / from, folder_ / to, fs::copy_options::overwrite_existing);
  }
  void remove(const std::string& name) const { fs::remove_all(folder_ / name); }
  /// EXIF says that the picture is stored on its side.
  void turn(const std::string& name) const {
    text(name, test::with_exif(read_text_file(folder_ / name), test::exif_text(6, true)));
  }
  void cut(const std::string& name, std::size_t bytes) const { fs::resize_file(folder_ / name, bytes); }
  /// The first `from` of a file becomes `to`.
  void replace(const std::string& name, const std::string& from, const std::string& to) const {
    std::string content = read_text_file(folder_ / name);
    const auto at = content.find(from);
    REQUIRE(at != std::string::npos);
    text(name, content.replace(at, from.size(), to));
  }
  static std::string object(const std::string& name, const std::string& x0, const std::string& y0,
                            const std::string& x1, const std::string& y1) {
    return "<object><name>" + name + "</name><bndbox><xmin>" + x0 + "</xmin><ymin>" + y0 + "</ymin><xmax>" + x1 +
           "</xmax><ymax>" + y1 + "</ymax></bndbox></object>\n";
  }
  void voc(const std::string& name, const std::string& objects) const {
    text("xml/" + name + ".xml",
         "<annotation>\n<size><width>64</width><height>48</height></size>\n" + objects + "</annotation>\n");
  }
  DatasetReport check(const std::string& yaml) const { return check_dataset(load_dataset_config(folder_ / yaml)); }

 private:
  void write_json(const std::string& split) const {
    const bool train = split == "train";
    std::string images = train ? R"({"id":1,"file_name":"a.png","width":64,"height":48},
{"id":2,"file_name":"b.png","width":64,"height":48})"
                               : R"({"id":3,"file_name":"c.png","width":64,"height":48})";
    std::string boxes = train ? R"({"id":1,"image_id":1,"category_id":1,"bbox":[16,12,32,24],"area":768,"iscrowd":0},
{"id":2,"image_id":2,"category_id":2,"bbox":[8,6,16,12],"area":192,"iscrowd":0})"
                              : R"({"id":1,"image_id":3,"category_id":1,"bbox":[16,12,32,24],"area":768,"iscrowd":0},
{"id":2,"image_id":3,"category_id":2,"bbox":[8,6,16,12],"area":192,"iscrowd":0})";
    text(split + ".json", "{\"images\":[" + images + "],\n\"annotations\":[" + boxes +
                              "],\n\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}]}\n");
  }
  test::TemporaryFolder folder_;
};

struct Case {
  const char* name;
  const char* yaml;
  std::function<void(const Set&)> break_it;
  Severity severity;
  const char* kind;
  const char* says;  ///< in the problem as it is printed
};

std::function<void(const Set&)> replaced(const char* file, const char* from, const char* to) {
  return [=](const Set& set) { set.replace(file, from, to); };
}
std::function<void(const Set&)> label(const char* rows) {
  return [=](const Set& set) { set.text("labels/train/a.txt", rows); };
}
std::function<void(const Set&)> objects(const std::string& text) {
  return [=](const Set& set) { set.voc("train/a", text); };
}

const std::vector<Case>& cases() {
  const char* const coco = "coco.yaml";
  const char* const yolo = "yolo.yaml";
  const char* const voc = "voc.yaml";
  const char* const json = "train.json";
  static const std::vector<Case> all{
      // COCO: the file
      {"JSON cut off", coco, [](const Set& s) { s.cut("train.json", 100); }, kError, "unreadable_split", "line 2"},
      {"JSON with a comma too many", coco, replaced(json, "}],", "},],"), kError, "unreadable_split",
       "train.json: line"},
      {"no annotation file", coco, [](const Set& s) { s.remove("val.json"); }, kError, "unreadable_split", "val.json"},
      {"a picture as annotations", coco, [](const Set& s) { s.copy("images/train/a.png", "train.json"); }, kError,
       "unreadable_split", "line 1"},
      {"a list instead of an object", coco, [](const Set& s) { s.text("train.json", "[]"); }, kError,
       "unreadable_split", "one object with the lists images, annotations and categories"},
      {"no categories", coco, replaced(json, "categories", "classes"), kError, "missing_list", "categories"},
      // COCO: ids and fields
      {"two categories of one id", coco, replaced(json, "\"id\":2,\"name\"", "\"id\":1,\"name\""), kError,
       "duplicate_category_id", "one id stands for different entries"},
      {"two pictures of one id", coco, replaced(json, "{\"id\":2,\"file", "{\"id\":1,\"file"), kError,
       "duplicate_image_id", "image id 1"},
      {"a category id as text", coco, replaced(json, "\"category_id\":2", "\"category_id\":\"dog\""), kError,
       "bad_field", "annotations[1]: 'category_id' must be a whole number, not the text 'dog'"},
      {"a category that is not listed", coco, replaced(json, "\"category_id\":2", "\"category_id\":90"), kWarning,
       "unknown_category", "category_id 90"},
      {"a picture that is not listed", coco, replaced(json, "\"image_id\":2", "\"image_id\":77"), kWarning,
       "unknown_image", "image_id 77"},
      {"an annotation id used twice", coco, replaced(json, "\"id\":2,\"image_id\"", "\"id\":1,\"image_id\""), kWarning,
       "duplicate_annotation_id", "annotation id 1"},
      {"annotation id 0", coco, replaced(json, "\"id\":2,\"image_id\"", "\"id\":0,\"image_id\""), kWarning,
       "annotation_id_0", "number from 1"},
      {"a category id beyond 64 bits", coco, replaced(json, "\"category_id\":2", "\"category_id\":1e30"), kError,
       "bad_field", "1e30"},
      {"an annotation without a box", coco, replaced(json, "\"bbox\":[8,6,16,12],", ""), kError, "bad_field",
       "annotations[1]: 'bbox' is missing"},
      {"a box of three numbers", coco, replaced(json, "[8,6,16,12]", "[8,6,16]"), kError, "bad_field", "[x, y, w, h]"},
      {"a number too large", coco, replaced(json, "\"area\":192", "\"area\":1e999"), kError, "bad_field", "1e999"},
      {"val of other classes", coco, replaced("val.json", "\"dog\"", "\"horse\""), kError, "unwanted_class",
       "names: [cat, dog, horse] in the data set's YAML"},
      {"two ids of one name", coco,
       [](const Set& s) {
         for (const char* file : {"train.json", "val.json"}) s.replace(file, "dog", "cat");
       },
       kWarning, "duplicate_category_name", "cat"},
      // COCO: boxes
      {"a box that is no number", coco, replaced(json, "[8,6,16,12]", "[8,NaN,16,12]"), kWarning, "box_not_finite",
       "annotation id 2: [8, nan, 16, 12]"},
      {"corners as sizes", coco, replaced(json, "[8,6,16,12]", "[24,18,-16,-12]"), kWarning, "box_inverted",
       "negative width or height; left out"},
      {"a box without area", coco, replaced(json, "[8,6,16,12]", "[8,6,16,0]"), kWarning, "box_zero_area", "left out"},
      {"a box outside its picture", coco, replaced(json, "[8,6,16,12]", "[64,6,16,12]"), kWarning, "box_outside",
       "left out"},
      {"a box over the edge", coco, replaced(json, "[8,6,16,12]", "[60,6,16,12]"), kWarning, "box_clipped", "clipped"},
      {"a box twice", coco,
       replaced(json, "],\n\"categories\"",
                R"(,{"id":3,"image_id":2,"category_id":2,"bbox":[8,6,16,12]}],"categories")"),
       kWarning, "repeated_box", "b.png: 'dog'"},
      // COCO: pictures
      {"a missing picture", coco, [](const Set& s) { s.remove("images/train/a.png"); }, kError, "missing_picture",
       "image id 1 ('a.png')"},
      {"a picture name that leaves the folder", coco, replaced(json, "a.png", "../val/c.png"), kError, "path_escape",
       "leave the folder of pictures"},
      {"an empty picture file", coco, [](const Set& s) { s.text("images/train/a.png", ""); }, kError,
       "unreadable_picture", "the file is empty"},
      {"a picture cut off", coco, [](const Set& s) { s.cut("images/train/a.png", 90); }, kError, "unreadable_picture",
       "a.png"},
      {"a GIF by the name of PNG", coco, [](const Set& s) { s.text("images/train/a.png", "GIF89a..........."); },
       kError, "unreadable_picture", "neither JPEG, PNG, WebP, BMP nor TIFF"},
      {"a picture turned after labelling", coco, [](const Set& s) { s.picture("images/train/a.png", 1, 48, 64); },
       kError, "wrong_size", "a.png: is 48x64 pixels, but annotated as 64x48"},
      {"no sizes", coco, replaced(json, ",\"width\":64,\"height\":48", ""), kWarning, "missing_size",
       "read from the picture"},
      {"a picture in no split", coco, [](const Set& s) { s.picture("images/val/new.png", 9); }, kWarning,
       "unlisted_picture", "new.png"},
      {"a picture twice", coco, [](const Set& s) { s.copy("images/train/a.png", "images/train/b.png"); }, kWarning,
       "duplicate_picture", "b.png = train: "},
      {"a picture to train on and to evaluate on", coco,
       [](const Set& s) { s.copy("images/train/a.png", "images/val/c.png"); }, kWarning, "duplicate_across_splits",
       "flatters the model"},
      {"no boxes to train on", coco,
       [](const Set& s) {
         s.text("train.json", R"({"images":[{"id":1,"file_name":"a.png","width":64,"height":48}],"annotations":[],
             "categories":[{"id":1,"name":"cat"},{"id":2,"name":"dog"}]})");
       },
       kError, "no_boxes", "there is no usable box to train on"},
      {"no boxes to evaluate on", coco,
       [](const Set& s) {
         s.text("val.json", R"({"images":[{"id":3,"file_name":"c.png","width":64,"height":48}],"annotations":[],
             "categories":[{"id":1,"name":"cat"},{"id":2,"name":"dog"}]})");
       },
       kError, "no_boxes", "there is no usable box to evaluate on"},
      {"no boxes but crowds to evaluate on", coco,
       [](const Set& s) {
         for (int i = 0; i < 2; ++i) s.replace("val.json", "\"iscrowd\":0", "\"iscrowd\":1");
       },
       kError, "no_boxes", "there is no usable box to evaluate on"},
      {"an empty list of categories", coco,
       replaced(json, "{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}", ""), kError, "no_categories",
       "train.json"},
      // the YAML
      {"a key that is not known", coco, replaced("coco.yaml", "val:", "valid:"), kWarning, "unknown_key",
       "coco.yaml:2: 'valid'; did you mean 'val'?"},
      {"a test split that was not fetched", yolo, replaced("yolo.yaml", "names", "test: images/test\nnames"), kWarning,
       "absent_split", "yolo.yaml:3: test"},
      {"a test split of COCO that was not fetched", coco,
       replaced("coco.yaml", "val:", "test: {images: images, annotations: test.json}\nval:"), kWarning, "absent_split",
       "test"},
      {"a test split without labels", yolo,
       [](const Set& s) {
         s.replace("yolo.yaml", "names", "test: images/test\nnames");
         s.picture("images/test/d.png", 7);
       },
       kWarning, "no_boxes", "can be predicted, not evaluated"},
      // YOLO
      {"no boxes to evaluate on", yolo, [](const Set& s) { s.text("labels/val/c.txt", ""); }, kError, "no_boxes",
       "there is no usable box to evaluate on"},
      {"a label file that is a folder", yolo,
       [](const Set& s) {
         s.remove("labels/train/a.txt");
         s.text("labels/train/a.txt/x", "");
       },
       kError, "unreadable_label", "a.txt': it is a folder"},
      {"a label file in UTF-16", yolo,
       [](const Set& s) {
         s.text("labels/train/a.txt", std::string("\xFF\xFE"
                                                  "0\0 \0",
                                                  6));
       },
       kError, "bad_encoding", "a.txt: the text is UTF-16"},
      {"pixels instead of fractions", yolo, label("0 32 24 16 12\n"), kError, "not_normalised", "a.txt:1: 32"},
      {"a class beyond the names", yolo, label("0 .5 .5 .1 .1\n2 .5 .5 .1 .1\n"), kError, "class_out_of_range",
       "a.txt:2: class 2, names has 0 to 1"},
      {"classes counted from 1 below", yolo, label("-1 .5 .5 .1 .1\n"), kError, "class_out_of_range", "class -1"},
      {"a class by name", yolo, label("cat .5 .5 .1 .1\n"), kError, "bad_class", "'cat'"},
      {"four columns", yolo, label("0 .5 .5 .1\n"), kError, "bad_row", "4 columns"},
      {"commas", yolo, label("0,.5,.5,.1,.1\n"), kError, "bad_row", "1 column"},
      {"a word among numbers", yolo, label("0 .5 x .1 .1\n"), kError, "bad_row", "'x'"},
      {"a row twice", yolo, label("0 .5 .5 .1 .1\n0 .5 .5 .1 .1\n"), kWarning, "duplicate_box", "a.txt:2"},
      {"a box without height", yolo, label("0 .5 .5 .1 0\n"), kWarning, "box_zero_area", "a.txt:1"},
      {"a binary label file", yolo, [](const Set& s) { s.copy("images/train/a.png", "labels/train/a.txt"); }, kError,
       "bad_row", "a.txt:1"},
      {"labels in the wrong folder", yolo,
       [](const Set& s) {
         s.remove("labels/val");
         s.text("images/val/label/c.txt", "");
       },
       kError, "no_label_files", "labels/val/c.txt"},
      {"a label without a picture", yolo, [](const Set& s) { s.text("labels/train/z.txt", ""); }, kWarning,
       "unused_label", "z.txt"},
      {"a picture in another format", yolo, [](const Set& s) { s.text("images/train/z.avif", "none"); }, kWarning,
       "unsupported_format", "z.avif"},
      {"a folder that is not there", yolo, [](const Set& s) { s.remove("images/val"); }, kError, "unreadable_split",
       "images/val: does not exist"},
      {"an empty folder", yolo, [](const Set& s) { s.remove("images/val/c.png"); }, kError, "no_pictures",
       "there is no usable picture"},
      {"a list with a missing picture", yolo,
       [](const Set& s) {
         s.text("yolo.yaml", "train: list.txt\nval: images/val\nnames: [cat, dog]\n");
         s.text("list.txt", "images/train/a.png\nimages/train/gone.png\n");
       },
       kError, "missing_picture", "list.txt:2"},
      // VOC
      {"no objects to evaluate on", voc, [](const Set& s) { s.voc("val/c", ""); }, kError, "no_boxes",
       "there is no usable box to evaluate on"},
      {"an XML that is a folder", voc,
       [](const Set& s) {
         s.remove("xml/train/a.xml");
         s.text("xml/train/a.xml/x", "");
       },
       kError, "unreadable_label", "a.xml': it is a folder"},
      {"XML cut off", voc, [](const Set& s) { s.cut("xml/train/a.xml", 120); }, kError, "bad_xml", "a.xml:3"},
      {"an object without a box", voc, objects("<object><name>cat</name></object>"), kError, "bad_object",
       "a.xml:3: object 1: <bndbox> is missing"},
      {"corners exchanged", voc, objects(Set::object("cat", "48", "36", "16", "12")), kWarning, "box_inverted",
       "object 1 'cat': [48, 36, -32, -24]"},
      {"a corner that is no number", voc, objects(Set::object("cat", "a", "1", "2", "3")), kError, "bad_object", "'a'"},
      // EXIF
      {"labels whose picture EXIF turns", yolo, [](const Set& s) { s.turn("images/train/a.png"); }, kWarning,
       "exif_turned", "a.png: orientation 6"},
      {"a size that only EXIF's turn gives", coco,
       [](const Set& s) {
         s.turn("images/train/a.png");
         s.replace("train.json", "\"width\":64,\"height\":48", "\"width\":48,\"height\":64");
       },
       kError, "wrong_size", "exif: true"},
      // names
      {"a name that is not listed", voc, [](const Set& s) { s.replace("voc.yaml", "val:", "names: [cat, Dog]\nval:"); },
       kError, "unknown_class", "'dog'"},
      {"an XML without a picture", voc, [](const Set& s) { s.remove("images/train/a.png"); }, kError, "missing_picture",
       "a.xml"},
      {"a picture without an XML", voc, [](const Set& s) { s.remove("xml/train/a.xml"); }, kWarning,
       "no_annotation_file", "a.png"},
  };
  return all;
}

}  // namespace

TEST_CASE("the sets are sound before they are broken") {
  for (const char* yaml : {"coco.yaml", "yolo.yaml", "voc.yaml"}) {
    const DatasetReport report = Set().check(yaml);
    for (const DataProblem& problem : report.problems) UNSCOPED_INFO(describe(problem));
    INFO(yaml);
    CHECK(report.problems.empty());
    CHECK(report.splits.size() == 2);
  }
}

TEST_CASE("each broken set is answered with its kind of problem, the place and what was done") {
  REQUIRE(cases().size() >= 40);
  for (const Case& c : cases()) {
    const Set set;
    c.break_it(set);
    const DatasetReport report = set.check(c.yaml);
    INFO(c.yaml << ": " << c.name);
    for (const DataProblem& problem : report.problems) UNSCOPED_INFO(describe(problem));
    const auto found = std::find_if(report.problems.begin(), report.problems.end(),
                                    [&](const DataProblem& problem) { return problem.kind == c.kind; });
    REQUIRE(found != report.problems.end());
    CHECK(found->severity == c.severity);
    CHECK(has_errors(report.problems) == (c.severity == kError));
    CHECK_THAT(describe(*found), Catch::Contains(c.says));
  }
}
