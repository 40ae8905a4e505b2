#include "data/formats/voc_annotation.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "data/dataset/dataset.h"
#include "data/formats/voc_files.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

struct ParsedVoc {
  VocAnnotation annotation;
  std::vector<DataProblem> problems;
};

ParsedVoc parse_voc(std::string_view text) {
  ProblemCollector problems;
  ParsedVoc parsed;
  parsed.annotation = parse_voc_annotation(text, "a.xml", problems);
  parsed.problems = problems.take();
  return parsed;
}

std::string object(const std::string& name, const std::string& box, const std::string& more = "") {
  return "<object>\n<name>" + name + "</name>" + more + "<bndbox>" + box + "</bndbox></object>\n";
}

std::string corners(const std::string& x0, const std::string& y0, const std::string& x1, const std::string& y1) {
  return "<xmin>" + x0 + "</xmin><ymin>" + y0 + "</ymin><xmax>" + x1 + "</xmax><ymax>" + y1 + "</ymax>";
}

std::string file_of(const std::string& objects, const std::string& size = "<width>100</width><height>50</height>") {
  return "<annotation>\n<size>" + size + "</size>\n" + objects + "</annotation>\n";
}

/// Three pictures, two of them with objects; the third has no file.
struct VocFolder {
  test::TemporaryFolder folder;

  VocFolder() {
    for (const char* name : {"a.jpg", "b.jpg", "c.jpg"}) {
      test::write_small_picture(folder / ("JPEGImages/" + std::string(name)), 100, 50, 1);
    }
    annotate("a", object("dog", corners("10", "20", "30", "45")) + object("cat", corners("0", "0", "100", "50")));
    annotate("b", object("cat", corners("5", "5", "6", "7")));
    configure("train: {images: JPEGImages, annotations: Annotations}\n");
  }
  void annotate(const std::string& stem, const std::string& objects) const {
    test::write_file(folder / ("Annotations/" + stem + ".xml"), file_of(objects));
  }
  void configure(const std::string& text) const { test::write_file(folder / "d.yaml", text); }
  Dataset load(const ClassList* classes = nullptr) const {
    return load_dataset(load_dataset_config(folder / "d.yaml"), "train", classes);
  }
  std::string refusal() const {
    try {
      load();
    } catch (const Error& fault) {
      return fault.what();
    }
    return "";
  }
};

}  // namespace

TEST_CASE("a VOC file gives its size and objects as they are written") {
  const ParsedVoc read = parse_voc(
      "<?xml version=\"1.0\"?><!-- a tool's remark --><annotation><filename>x.jpg</filename>"
      "<size><width>500</width><height>375</height><depth>3</depth></size>"
      "<object><name> person </name><pose>Left</pose><difficult>1</difficult>"
      "<bndbox><xmax>30.5</xmax><xmin>1</xmin><ymin>2</ymin><ymax>9</ymax></bndbox>"
      "<part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>"
      "</object></annotation>");
  CHECK(read.problems.empty());
  CHECK(read.annotation.width == 500);
  CHECK(read.annotation.height == 375);
  REQUIRE(read.annotation.objects.size() == 1);
  CHECK(read.annotation.objects[0].name == "person");
  CHECK(read.annotation.objects[0].box_xywh == std::array<double, 4>{1, 2, 29.5, 7});
}

TEST_CASE("a VOC file may begin with a byte order mark, and be UTF-16") {
  const std::string text =
      "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax>"
      "<ymax>4</ymax></bndbox></object></annotation>";
  CHECK(parse_voc("\xEF\xBB\xBF" + text).annotation.objects.size() == 1);
  std::string wide = "\xFF\xFE";
  for (const char c : text) wide += {c, '\0'};
  CHECK(parse_voc(wide).annotation.objects.size() == 1);
}

TEST_CASE("a VOC file without objects, and one without a size, are fine") {
  CHECK(parse_voc("<annotation/>").problems.empty());
  CHECK(parse_voc("<annotation><size><width/></size></annotation>").annotation.width == 0);
  CHECK(parse_voc(file_of("")).annotation.objects.empty());
}

TEST_CASE("a fault of a VOC file is told with its line") {
  struct Case {
    std::string text, kind, words;
  };
  const std::string box = corners("1", "2", "3", "4");
  const std::vector<Case> cases = {
      {"", "bad_xml", "a.xml:1: "},
      {"\xFF\xD8\xFF", "bad_xml", "a.xml:1: "},
      {"<annotation><object></annotation>", "bad_xml", "a.xml:1: Start-end tags mismatch"},
      {"<annotation>\n<object>\n", "bad_xml", "a.xml:"},
      {"<html></html>", "bad_xml", "the outermost element must be <annotation>, not <html>"},
      {file_of(object("", box)), "bad_object", "a.xml:3: object 1: <name> is missing or empty"},
      {file_of(object("cat", box) + object("cat", "")), "bad_object", "a.xml:5: object 2: <bndbox> has no <xmin>"},
      {file_of(object("cat", corners("1", "2", "x", "4"))), "bad_object", "xmax must be a number, not 'x'"},
      {file_of(object("cat", corners("1", "2", "3", "1e999"))), "bad_object", "ymax must be a number, not '1e999'"},
      {file_of("<object><bndbox>" + box + "</bndbox></object>"), "bad_object", "<name> is missing"},
      {file_of("<object><name>cat</name></object>"), "bad_object", "object 1: <bndbox> is missing"},
      {file_of("<object><name>cat</name><robndbox><cx>8</cx><cy>6</cy></robndbox></object>"), "rotated_box",
       "object 1"},
      {file_of("<object><name>cat</name><polygon><x1>8</x1></polygon></object>"), "polygon", "a.xml:3: object 1"},
      {file_of(object("\xFF", box)), "bad_object", "<name> is not in UTF-8"},
      {file_of("", "<width>-3</width><height>9</height>"), "bad_size", "width '-3'"},
      {file_of("", "<width>9</width><height>99999999999</height>"), "bad_size", "height '99999999999'"},
      {file_of(object("cat", box) + object("cat", box)), "duplicate_box", "a.xml:5: object 2"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const ParsedVoc read = parse_voc(c.text);
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].kind == c.kind);
    CHECK_THAT(read.problems[0].where, Catch::Contains(c.words));
  }
}

TEST_CASE("an object's box is read whatever other shape stands beside it") {
  const ParsedVoc read =
      parse_voc(file_of(object("cat", corners("1.5", "2", "3", "4"), "<polygon><x1>8</x1></polygon>")));
  CHECK(read.problems.empty());
  REQUIRE(read.annotation.objects.size() == 1);
  CHECK(read.annotation.objects[0].box_xywh == std::array<double, 4>{1.5, 2, 1.5, 2});
}

TEST_CASE("objects of other numbers stay two, also where one is none") {
  const ParsedVoc read =
      parse_voc(file_of(object("cat", corners("nan", "2", "3", "4")) + object("cat", corners("1", "2", "3", "4")) +
                        object("cat", corners("nan", "2", "3", "4"))));
  CHECK(read.annotation.objects.size() == 2);
  REQUIRE(read.problems.size() == 1);
  CHECK(read.problems[0].kind == "duplicate_box");
  CHECK_THAT(read.problems[0].where, Catch::Contains("object 3"));
}

TEST_CASE("entities that a VOC file defines are not followed") {
  const ParsedVoc read =
      parse_voc("<!DOCTYPE a [<!ENTITY x \"yyyyyyyy\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]><annotation>" +
                object("&x;&f;&amp;", corners("1", "2", "3", "4")) + "</annotation>");
  REQUIRE(read.annotation.objects.size() == 1);
  CHECK(read.annotation.objects[0].name == "&x;&f;&");
}

TEST_CASE("a million nested elements of a VOC file do not overflow the stack") {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "<a>";
  CHECK(parse_voc(deep).problems.at(0).kind == "bad_xml");
  std::string closed = deep;
  for (int i = 0; i < 1'000'000; ++i) closed += "</a>";
  CHECK(parse_voc("<annotation>" + closed + "</annotation>").annotation.objects.empty());
}

TEST_CASE("a VOC data set takes every picture, and its classes from the files in the order of the alphabet") {
  const VocFolder set;
  const Dataset data = set.load();
  CHECK(data.classes.names == std::vector<std::string>{"cat", "dog"});
  REQUIRE(data.pictures.size() == 3);
  CHECK(data.pictures[2].width == 100);
  CHECK(data.pictures[2].box_count == 0);
  REQUIRE(data.boxes.size() == 3);
  CHECK(data.boxes[0].label == 1);
  CHECK(data.boxes[0].xyxy == std::array<float, 4>{10, 20, 30, 45});
  REQUIRE(data.truth.truths.size() == 3);
  CHECK(data.truth.truths[0].area == 20 * 25);
  REQUIRE(data.problems.size() == 1);
  CHECK(data.problems[0].kind == "no_annotation_file");
}

TEST_CASE("a list chooses among the files of a VOC data set") {
  const VocFolder set;
  set.configure("train: {images: JPEGImages, annotations: Annotations, list: train.txt}\nnames: [dog, cat]\n");
  test::write_file(set.folder / "train.txt", "b  1\n\na.jpg\n");
  const Dataset data = set.load();
  REQUIRE(data.pictures.size() == 2);
  CHECK(data.boxes[0].label == 0);  // in the order of `names`
  CHECK(data.problems.empty());

  test::write_file(set.folder / "train.txt", "a\nc\nz\n../d\na\n");
  const std::string refusal = set.refusal();
  CHECK_THAT(refusal, Catch::Contains("missing_annotation") && Catch::Contains("missing_picture") &&
                          Catch::Contains("path_escape") && Catch::Contains("train.txt:3: 'z'"));
}

TEST_CASE("lines of a VOC list are taken whole first, then as other tools write them") {
  const VocFolder set;
  set.configure("train: {images: JPEGImages, annotations: Annotations, list: train.txt}\n");
  for (const char* name : {"my photo 1.jpg", "d.JpG", "e.png", "f.v2.jpg"})
    test::write_small_picture(set.folder / "new.jpg", 100, 50, name[0]),
        fs::rename(set.folder / "new.jpg", set.folder / "JPEGImages" / name);
  for (const char* stem : {"my photo 1", "d", "e", "f.v2", "other"})
    set.annotate(stem, object("cat", corners("1", "1", "9", "9")));
  const struct {
    std::string line, picture, annotation;
  } cases[] = {
      {"my photo 1", "my photo 1.jpg", "my photo 1.xml"},
      {"my photo 1.jpg", "my photo 1.jpg", "my photo 1.xml"},
      {"my photo 1 -1", "my photo 1.jpg", "my photo 1.xml"},
      {"a  1", "a.jpg", "a.xml"},
      {"a something else", "a.jpg", "a.xml"},
      {"d", "d.JpG", "d.xml"},
      {"e.png", "e.png", "e.xml"},
      {"f.v2", "f.v2.jpg", "f.v2.xml"},
      {"e.xml", "e.png", "e.xml"},
      {"a.jpg a.xml", "a.jpg", "a.xml"},
      {"JPEGImages/a.jpg Annotations/a.xml", "a.jpg", "a.xml"},
      {"./JPEGImages/my photo 1.jpg\t./Annotations/my photo 1.xml", "my photo 1.jpg", "my photo 1.xml"},
      {"JPEGImages/e.png Annotations/other.xml", "e.png", "other.xml"},
  };
  const DatasetConfig config = load_dataset_config(set.folder / "d.yaml");
  for (const auto& [line, picture, annotation] : cases) {
    INFO(line);
    test::write_file(set.folder / "train.txt", line + "\n");
    ProblemCollector problems;
    const std::vector<VocPicture> found = find_voc_pictures(config.splits[0], problems);
    for (const DataProblem& problem : problems.take()) FAIL_CHECK(describe(problem));
    REQUIRE(found.size() == 1);
    CHECK(found[0].picture == set.folder / "JPEGImages" / picture);
    CHECK(found[0].annotation == set.folder / "Annotations" / annotation);
  }
  test::write_file(set.folder / "train.txt", "a\nmy photo 2\nJPEGImages/q.jpg Annotations/q.xml\nr -1\n");
  CHECK_THAT(set.refusal(), Catch::Contains("train.txt:2: 'my photo 2'") && Catch::Contains("train.txt:3: 'q'") &&
                                Catch::Contains("train.txt:4: 'r'"));
}

TEST_CASE("names of a VOC data set are mapped to a model's classes, or refused") {
  const VocFolder set;
  const ClassList model{{"bird", "dog", "cat"}, {7, 8, 9}};
  const Dataset data = set.load(&model);
  CHECK(data.classes.names == model.names);
  CHECK(data.boxes[0].label == 1);
  CHECK(data.boxes[1].label == 2);

  const ClassList other{{"dog"}, {0}};
  CHECK_THROWS_WITH(set.load(&other), Catch::Contains("unwanted_class") && Catch::Contains("'cat': 2 annotations"));
  set.configure("train: {images: JPEGImages, annotations: Annotations}\nnames: [cat, horse, dog]\n");
  const ClassList fewer{{"dog", "cat"}, {0, 1}};
  CHECK(set.load(&fewer).classes.names == fewer.names);  // no horse is annotated
  set.configure("train: {images: JPEGImages, annotations: Annotations}\nnames: [cat, dogs]\n");
  CHECK_THAT(set.refusal(), Catch::Contains("unknown_class") && Catch::Contains("object 1 'dog'"));
  set.configure("train: {images: JPEGImages, annotations: Annotations}\nnames: [cat, Dog]\n");
  CHECK_THAT(set.refusal(), Catch::Contains("object 1 'dog'") && Catch::Contains("; the list has 'Dog'"));
}

TEST_CASE("files of a VOC data set that do not pair with pictures are refused") {
  const VocFolder set;
  set.annotate("d", "");
  CHECK_THAT(set.refusal(), Catch::Contains("missing_picture") && Catch::Contains("d.xml"));
  fs::remove(set.folder / "Annotations/d.xml");
  test::write_small_picture(set.folder / "JPEGImages/a.png", 100, 50, 3);
  CHECK_THAT(set.refusal(),
             Catch::Contains("ambiguous_annotation") && Catch::Contains("a.jpg and ") && Catch::Contains("a.png"));
}

TEST_CASE("a VOC picture's size is read from the picture where the file does not say it") {
  const VocFolder set;
  test::write_file(set.folder / "Annotations/a.xml",
                   file_of(object("cat", corners("1", "1", "9", "9")), "<width>0</width><height>0</height>"));
  const Dataset data = set.load();
  CHECK(data.pictures[0].width == 100);
  CHECK(data.pictures[0].height == 50);
  CHECK(
      std::any_of(data.problems.begin(), data.problems.end(), [](const auto& p) { return p.kind == "missing_size"; }));
}

TEST_CASE("a VOC object has one box, its own: a part's is not taken for it, a second one is told") {
  const std::string own = "<bndbox>" + corners("10", "20", "30", "45") + "</bndbox>";
  const std::string part = "<part><name>head</name><bndbox>" + corners("11", "21", "15", "25") + "</bndbox></part>";
  const ParsedVoc person = parse_voc(file_of("<object><name>person</name>" + part + own + "</object>"));
  CHECK(person.problems.empty());
  REQUIRE(person.annotation.objects.size() == 1);
  CHECK(person.annotation.objects[0].box_xywh == std::array<double, 4>{10, 20, 20, 25});

  const std::string second = "<bndbox>" + corners("40", "0", "90", "50") + "</bndbox>";
  const ParsedVoc two = parse_voc(file_of("<object><name>dog</name>" + own + second + "</object>"));
  CHECK(two.annotation.objects.size() == 1);
  REQUIRE(two.problems.size() == 1);
  CHECK(two.problems[0].kind == "more_boxes");
  CHECK(two.problems[0].where == "a.xml:3: object 1: 2");
}
