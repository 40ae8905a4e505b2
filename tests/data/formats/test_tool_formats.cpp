#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "data/dataset/dataset.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

/// Annotations of labelling tools, in files as the tools export them (data/formats/tool_readers.h names the sources).
using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

using Box = std::array<double, 4>;

/// A folder `images` with a.jpg (100x50), b.png (40x80) and annotations beside it.
struct ToolFolder {
  test::TemporaryFolder folder;

  ToolFolder() {
    test::write_small_picture(folder / "images/a.jpg", 100, 50, 1);
    test::write_small_picture(folder / "images/b.png", 40, 80, 2);
  }
  void write(const std::string& name, const std::string& text) const { test::write_file(folder / name, text); }
  Dataset inspect(const std::string& annotations, const std::string& more = "") const {
    write("d.yaml", "train: {images: images, annotations: " + annotations + more + "}\n");
    return inspect_dataset(load_dataset_config(folder / "d.yaml"), "train");
  }
  /// The message of what cannot be used.
  std::string refusal(const std::string& annotations, const std::string& more = "") const {
    try {
      const Dataset data = inspect(annotations, more);
      throw_if_errors(data.problems, "it");
    } catch (const Error& fault) {
      return fault.what();
    }
    return "accepted";
  }
};

/// "a.jpg cat [1, 2, 3, 4]" of each box, left, top, width, height as the metric has them.
std::vector<std::string> told(const Dataset& data) {
  std::vector<std::string> lines;
  for (const MetricTruth& truth : data.truth.truths) {
    std::string line = data.pictures[static_cast<std::size_t>(truth.image_id)].file.filename().string() + " " +
                       data.classes.names[static_cast<std::size_t>(truth.category_id)] + (truth.crowd ? " crowd" : "");
    for (const double v : truth.box_xywh) line += " " + std::to_string(std::lround(v * 100) / 100.0).substr(0, 5);
    lines.push_back(line);
  }
  return lines;
}

void check_box(const Dataset& data, std::size_t index, const std::string& picture, const std::string& name,
               const Box& xywh) {
  CAPTURE(told(data), index);
  REQUIRE(index < data.truth.truths.size());
  const MetricTruth& truth = data.truth.truths[index];
  CHECK(data.pictures[static_cast<std::size_t>(truth.image_id)].file.filename() == picture);
  CHECK(data.classes.names[static_cast<std::size_t>(truth.category_id)] == name);
  for (std::size_t i = 0; i < 4; ++i) CHECK(truth.box_xywh[i] == Approx(xywh[i]).margin(1e-9));
}

/// How often each kind of fault was found.
std::map<std::string, std::int64_t> faults_of(const Dataset& data) {
  std::map<std::string, std::int64_t> counts;
  for (const DataProblem& problem : data.problems) counts[problem.kind] += problem.count;
  return counts;
}

using Faults = std::map<std::string, std::int64_t>;

constexpr const char* kLabelmeA = R"({"version": "5.4.1", "flags": {}, "shapes": [
  {"label": "dog", "points": [[30.5, 40.0], [10.0, 20.0]], "group_id": null, "description": "",
   "shape_type": "rectangle", "flags": {}, "mask": null},
  {"label": "cat", "points": [[1, 2], [11, 4], [6, 22]], "group_id": null, "shape_type": "polygon", "flags": {}},
  {"label": "cat", "points": [[50, 25], [53, 29]], "group_id": null, "shape_type": "circle", "flags": {}},
  {"label": "cat", "points": [[60, 10], [69, 19]], "group_id": null, "shape_type": "mask", "flags": {}, "mask": "iVBORw=="},
  {"label": "nose", "points": [[5, 5]], "group_id": null, "shape_type": "point", "flags": {}}],
  "imagePath": "..\\images\\a.jpg", "imageData": null, "imageHeight": 50, "imageWidth": 100})";

}  // namespace

TEST_CASE("labelme's rectangles are boxes whatever corner was drawn first, outlines have boxes around them") {
  const ToolFolder set;
  set.write("json/a.json", kLabelmeA);
  set.write(
      "json/b.json",
      R"({"version":"5.0","flags":{},"shapes":[],"imagePath":"b.png","imageData":"AAAA","imageHeight":80,"imageWidth":40})");
  const Dataset data = set.inspect("json");
  CHECK(data.classes.names == std::vector<std::string>{"cat", "dog"});
  CHECK(data.pictures.size() == 2);
  REQUIRE(data.truth.truths.size() == 4);
  check_box(data, 0, "a.jpg", "dog", {10, 20, 20.5, 20});
  check_box(data, 1, "a.jpg", "cat", {1, 2, 10, 20});
  check_box(data, 2, "a.jpg", "cat", {45, 20, 10, 10});
  check_box(data, 3, "a.jpg", "cat", {60, 10, 10, 10});
  CHECK(faults_of(data) == Faults{{"outline_box", 3}, {"no_box", 1}});
}

TEST_CASE("a folder with labelme's files beside its pictures is written as the folder alone; so is one with VOC's") {
  const ToolFolder set;
  set.write("images/a.json", kLabelmeA);
  set.write("d.yaml", "train: images\n");
  const DatasetConfig config = load_dataset_config(set.folder / "d.yaml");
  CHECK(config.splits[0].format == AnnotationFormat::kLabelme);
  CHECK(inspect_dataset(config, "train").truth.truths.size() == 4);

  const ToolFolder voc;
  voc.write("images/a.xml",
            "<annotation><size><width>100</width><height>50</height></size><object><name>cat</name><bndbox>"
            "<xmin>1</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object></annotation>");
  voc.write("d.yaml", "train: images\n");
  const Dataset data = inspect_dataset(load_dataset_config(voc.folder / "d.yaml"), "train");
  check_box(data, 0, "a.jpg", "cat", {1, 2, 3, 4});
}

TEST_CASE("a folder of pictures with YOLO's labels stays YOLO's, whatever else lies in it") {
  const ToolFolder set;
  set.write("images/a.json", kLabelmeA);
  set.write("d.yaml", "train: images\nnames: [cat]\n");
  set.write("labels/a.txt", "0 0.5 0.5 0.1 0.1\n");
  CHECK(load_dataset_config(set.folder / "d.yaml").splits[0].format == AnnotationFormat::kYolo);
  fs::remove_all(set.folder / "labels");
  set.write("images/a.txt", "0 0.5 0.5 0.1 0.1\n");
  CHECK(load_dataset_config(set.folder / "d.yaml").splits[0].format == AnnotationFormat::kYolo);
}

TEST_CASE("what is wrong in a labelme file is told with the file and the shape") {
  const ToolFolder set;
  set.write("json/a.json", kLabelmeA);
  const auto fault = [&](const std::string& text) {
    set.write("json/b.json", text);
    return set.refusal("json");
  };
  using Catch::Contains;
  const std::string end = R"(], "imagePath": "b.png", "imageHeight": 80, "imageWidth": 40})";
  CHECK_THAT(fault("{\"shapes\": ["), Contains("b.json: line 1") && Contains("bad_json"));
  CHECK_THAT(fault("{\"images\": []}"), Contains("b.json: a labelme file is an object with a list 'shapes'"));
  CHECK_THAT(fault(R"({"shapes": []})"), Contains("b.json: 'imagePath' must name the picture"));
  CHECK_THAT(fault(R"({"shapes": [7)" + end), Contains("b.json: shapes[0] is no object"));
  CHECK_THAT(fault(R"({"shapes": [{"label": "", "points": [[1,2],[3,4]], "shape_type": "rectangle"})" + end),
             Contains("shapes[0]: 'label' must be a text"));
  CHECK_THAT(fault(R"({"shapes": [{"label": "cat", "points": [[1,2],[3]], "shape_type": "rectangle"})" + end),
             Contains("shapes[0]: 'points' must be [[x, y], …]"));
  CHECK_THAT(fault(R"({"shapes": [{"label": "cat", "points": [[[[[[1]]]]]], "shape_type": "rectangle"})" + end),
             Contains("shapes[0]: 'points' must be [[x, y], …]"));
  CHECK_THAT(fault(R"({"shapes": [{"label": "cat", "points": [[NaN,2],[3,4]], "shape_type": "rectangle"})" + end),
             Contains("accepted"));  // left out with a warning, as in every format
  CHECK_THAT(fault(R"({"shapes": [], "imagePath": "../../etc/c.png", "imageHeight": 80, "imageWidth": 40})"),
             Contains("missing_picture") && Contains("c.png"));
  CHECK_THAT(fault(R"({"shapes": [], "imagePath": "b.png", "imageHeight": -1, "imageWidth": 40})"),
             Contains("'imageHeight' must be a number of pixels, not -1"));
}

TEST_CASE("CVAT's boxes, turned boxes and outlines are read; its labels are the classes in its order") {
  const ToolFolder set;
  set.write("annotations.xml", R"(<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id><name>t</name><labels>
    <label><name>zebra</name><color>#fff</color><type>rectangle</type><attributes/></label>
    <label><name>cat</name><type>any</type></label>
    <label><name>weather</name><type>tag</type></label>
  </labels></task><dumped>2024-01-01</dumped></meta>
  <image id="0" name="a.jpg" subset="Train" task_id="7" width="100" height="50">
    <box label="cat" source="manual" occluded="0" xtl="10.00" ytl="20.00" xbr="30.50" ybr="45.00" z_order="0">
      <attribute name="age">2</attribute></box>
    <box label="zebra" source="manual" occluded="0" xtl="40" ytl="20" xbr="60" ybr="30" rotation="90" z_order="0"></box>
    <polygon label="cat" source="manual" occluded="0" points="1.00,2.00;11.00,4.00;6.00,22.00" z_order="0"></polygon>
    <mask label="cat" source="manual" occluded="0" rle="3, 4" left="70" top="5" width="6" height="7" z_order="0"></mask>
    <ellipse label="cat" source="manual" occluded="0" cx="50" cy="25" rx="10" ry="5" rotation="90" z_order="0"></ellipse>
    <polyline label="cat" points="1,2;3,4"></polyline>
    <tag label="weather" source="manual"></tag>
  </image>
  <image id="1" name="b.png" width="40" height="80"></image>
</annotations>)");
  const Dataset data = set.inspect("annotations.xml");
  CHECK(data.classes.names == std::vector<std::string>{"zebra", "cat"});
  CHECK(data.pictures.size() == 2);
  REQUIRE(data.truth.truths.size() == 5);
  check_box(data, 0, "a.jpg", "cat", {10, 20, 20.5, 25});
  check_box(data, 1, "a.jpg", "zebra", {45, 15, 10, 20});
  check_box(data, 2, "a.jpg", "cat", {1, 2, 10, 20});
  check_box(data, 3, "a.jpg", "cat", {70, 5, 6, 7});
  check_box(data, 4, "a.jpg", "cat", {45, 15, 10, 20});
  CHECK(faults_of(data) == Faults{{"turned_box", 1}, {"outline_box", 3}, {"no_box", 2}});
}

TEST_CASE("what is wrong in a CVAT file is told with its line") {
  const ToolFolder set;
  const auto fault = [&](const std::string& inside) {
    set.write("a.xml", "<annotations>\n" + inside + "\n</annotations>");
    return set.refusal("a.xml");
  };
  using Catch::Contains;
  const auto image = [](const std::string& inside) {
    return "<image name=\"a.jpg\" width=\"100\" height=\"50\">\n" + inside + "</image>";
  };
  CHECK_THAT(fault("<image>"), Contains("a.xml:3: is no XML"));
  CHECK_THAT(fault("<track id=\"0\" label=\"cat\"/>"), Contains("a.xml:2: <track>") && Contains("CVAT for images 1.1"));
  CHECK_THAT(fault("<image/>"), Contains("a.xml:2: <image>: 'name' must be the picture's"));
  CHECK_THAT(fault(image("<box xtl=\"1\"/>")), Contains("a.xml:3: <box>: 'label' must be a text"));
  CHECK_THAT(fault(image("<box label=\"cat\" xtl=\"1\" ytl=\"x\" xbr=\"3\" ybr=\"4\"/>")),
             Contains("a.xml:3: <box>: ytl must be a number, not 'x'"));
  CHECK_THAT(fault(image("<box label=\"cat\" xtl=\"1\" ytl=\"2\" xbr=\"3\"/>")), Contains("ybr must be a number"));
  CHECK_THAT(fault(image("<polygon label=\"cat\" points=\"1,2;3\"/>")), Contains("points must be x,y;x,y;…, not '3'"));
  CHECK_THAT(fault("<image name=\"c.jpg\"/>"), Contains("missing_picture") && Contains("c.jpg"));
  set.write("a.xml", "<annotation/>");
  CHECK_THAT(set.refusal("a.xml"), Contains("of VOC's the folder is given"));
  set.write("a.xml", "<html/>");
  CHECK_THAT(set.refusal("a.xml", ", format: cvat"), Contains("a.xml:1: the outermost element"));
}

TEST_CASE("Label Studio's percents are of the picture; cancelled and second annotations are told") {
  const ToolFolder set;
  set.write("export.json", R"([{"id": 1, "annotations": [
    {"id": 5, "was_cancelled": true, "result": [{"type": "rectanglelabels", "value": {"x": 0, "y": 0, "width": 1,
       "height": 1, "rectanglelabels": ["wrong"]}, "original_width": 100, "original_height": 50}]},
    {"id": 6, "was_cancelled": false, "completed_by": 1, "result": [
      {"original_width": 100, "original_height": 50, "image_rotation": 0, "value": {"x": 10, "y": 40, "width": 20.5,
       "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}, "id": "q1", "from_name": "label", "to_name": "image",
       "type": "rectanglelabels", "origin": "manual"},
      {"original_width": 100, "original_height": 50, "image_rotation": 0, "value": {"x": 50, "y": 20, "width": 10,
       "height": 40, "rotation": 90, "rectanglelabels": ["dog"]}, "id": "q2", "type": "rectanglelabels"},
      {"original_width": 100, "original_height": 50, "value": {"points": [[1, 4], [11, 8], [6, 44]], "closed": true,
       "polygonlabels": ["cat"]}, "id": "q3", "type": "polygonlabels"},
      {"original_width": 100, "original_height": 50, "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10,
       "rotation": 0, "ellipselabels": ["cat"]}, "id": "q4", "type": "ellipselabels"},
      {"value": {"choices": ["outdoor"]}, "id": "q5", "type": "choices", "from_name": "c", "to_name": "image"},
      {"original_width": 100, "original_height": 50, "value": {"x": 80, "y": 0, "width": 10, "height": 10, "rotation": 0},
       "id": "q6", "type": "rectangle"},
      {"original_width": 100, "original_height": 50, "value": {"x": 80, "y": 0, "width": 10, "height": 10, "rotation": 0,
       "labels": ["dog"]}, "id": "q6", "type": "labels"}]},
    {"id": 7, "result": []}],
    "data": {"image": "/data/upload/3/0f3a91bc-a.jpg"}, "predictions": [{"result": [{"value": {"x": 1}}]}]},
   {"id": 2, "annotations": [{"result": []}], "data": {"image": "/data/local-files/?d=photos%2Fb.png"}},
   {"id": 3, "annotations": [], "data": {"image": "s3://bucket/c.jpg"}}])");
  const Dataset data = set.inspect("export.json");
  CHECK(data.classes.names == std::vector<std::string>{"cat", "dog"});
  CHECK(data.pictures.size() == 2);
  REQUIRE(data.truth.truths.size() == 5);
  check_box(data, 0, "a.jpg", "cat", {10, 20, 20.5, 25});
  check_box(data, 1, "a.jpg", "dog", {30, 10, 20, 10});
  check_box(data, 2, "a.jpg", "cat", {1, 2, 10, 20});
  check_box(data, 3, "a.jpg", "cat", {40, 20, 20, 10});
  check_box(data, 4, "a.jpg", "dog", {80, 0, 10, 5});
  CHECK(faults_of(data) ==
        Faults{{"more_annotations", 1}, {"turned_box", 1}, {"outline_box", 2}, {"no_box", 1}, {"not_annotated", 1}});
}

TEST_CASE("Label Studio's JSON-MIN is read, and a broken task is told by its place") {
  const ToolFolder set;
  set.write("min.json",
            R"([{"image": "/data/upload/0f3a91bc-a.jpg", "id": 1, "label": [{"x": 10, "y": 40, "width": 20.5,
    "height": 50, "rotation": 0, "rectanglelabels": ["cat"], "original_width": 100, "original_height": 50}],
    "annotator": 1, "annotation_id": 2, "lead_time": 3.1}])");
  check_box(set.inspect("min.json"), 0, "a.jpg", "cat", {10, 20, 20.5, 25});

  using Catch::Contains;
  const auto fault = [&](const std::string& text) {
    set.write("a.json", text);
    return set.refusal("a.json", ", format: label_studio");
  };
  CHECK_THAT(fault("{}"), Contains("Label Studio's JSON is a list of tasks"));
  CHECK_THAT(fault("[7]"), Contains("tasks[0]: is no object"));
  CHECK_THAT(fault(R"([{"data": {}, "annotations": []}])"), Contains("tasks[0]: no text in 'data' names a picture"));
  CHECK_THAT(fault(R"([{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "rectanglelabels",
    "value": {"x": "1", "y": 2, "width": 3, "height": 4, "rectanglelabels": ["cat"]}}]}]}])"),
             Contains("tasks[0]: 'x' must be a number, not the text '1'"));
  CHECK_THAT(fault(R"([{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "rectanglelabels",
    "image_rotation": 90, "original_width": 100, "original_height": 50,
    "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["cat"]}}]}]}])"),
             Contains("turned_picture") && Contains("region 1"));
}

TEST_CASE("VIA's project, its exported JSON and its CSV are the same boxes") {
  const ToolFolder set;
  const std::string entries = R"("a.jpg1234": {"filename": "a.jpg", "size": 1234, "regions": [
      {"shape_attributes": {"name": "rect", "x": 10, "y": 20, "width": 21, "height": 25}, "region_attributes": {"class": "cat", "age": "2"}},
      {"shape_attributes": {"name": "polygon", "all_points_x": [1, 11, 6], "all_points_y": [2, 4, 22]}, "region_attributes": {"class": {"dog": true}}},
      {"shape_attributes": {"name": "point", "cx": 5, "cy": 6}, "region_attributes": {"class": "cat"}}], "file_attributes": {}},
    "b.png99": {"filename": "b.png", "size": 99, "regions": [], "file_attributes": {}})";
  set.write("project.json", R"({"_via_settings": {"ui": {}}, "_via_img_metadata": {)" + entries +
                                R"(}, "_via_attributes": {"region": {}}, "_via_data_format_version": "2.0.10"})");
  set.write("export.json", "{" + entries + "}");
  set.write("export.csv",
            R"(filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
a.jpg,1234,"{}",3,0,"{""name"":""rect"",""x"":10,""y"":20,""width"":21,""height"":25}","{""class"":""cat"",""age"":""2""}"
a.jpg,1234,"{}",3,1,"{""name"":""polygon"",""all_points_x"":[1,11,6],""all_points_y"":[2,4,22]}","{""class"":{""dog"":true}}"
a.jpg,1234,"{}",3,2,"{""name"":""point"",""cx"":5,""cy"":6}","{""class"":""cat""}"
b.png,99,"{}",0,0,"{}","{}"
)");
  for (const char* file : {"project.json", "export.json", "export.csv"}) {
    INFO(file);
    const Dataset data = set.inspect(file);
    CHECK(data.classes.names == std::vector<std::string>{"cat", "dog"});
    CHECK(data.pictures.size() == 2);
    REQUIRE(data.truth.truths.size() == 2);
    check_box(data, 0, "a.jpg", "cat", {10, 20, 21, 25});
    check_box(data, 1, "a.jpg", "dog", {1, 2, 10, 20});
    CHECK(faults_of(data) == Faults{{"outline_box", 1}, {"no_box", 1}});
  }
}

TEST_CASE("VIA's class is a region's one attribute, or the one that says so; else it is asked for") {
  const ToolFolder set;
  const auto with = [&](const std::string& attributes) {
    set.write("a.json", R"({"a.jpg1": {"filename": "a.jpg", "regions": {"0": {"shape_attributes": {"name": "rect",
      "x": 1, "y": 2, "width": 3, "height": 4}, "region_attributes": )" +
                            attributes + "}}}}");
    return set.refusal("a.json");
  };
  CHECK(with(R"({"breed": "cat"})") == "accepted");
  CHECK(with(R"({"age": "1", "Type": "cat"})") == "accepted");
  CHECK_THAT(with(R"({"age": "1", "breed": "cat"})"),
             Catch::Contains("'age', 'breed'") && Catch::Contains("call it 'class'"));
  CHECK_THAT(with("{}"), Catch::Contains("regions have no attributes"));
}

TEST_CASE("Datumaro's labels are the classes, its sizes are height first") {
  const ToolFolder set;
  set.write("default.json", R"({"dm_format_version": "1.0", "info": {}, "categories": {"label": {"labels": [
      {"name": "zebra", "parent": "", "attributes": []}, {"name": "cat", "parent": "", "attributes": []}],
      "attributes": ["occluded"]}, "points": {"items": []}},
    "items": [{"id": "a", "annotations": [
      {"id": 0, "type": "bbox", "attributes": {"occluded": false, "rotation": 0.0}, "group": 0, "label_id": 1, "z_order": 0,
       "bbox": [10, 20, 20.5, 25]},
      {"id": 1, "type": "bbox", "attributes": {"rotation": 90.0}, "group": 0, "label_id": 0, "bbox": [40, 20, 20, 10]},
      {"id": 2, "type": "polygon", "attributes": {}, "label_id": 1, "points": [1, 2, 11, 4, 6, 22]},
      {"id": 3, "type": "bbox", "attributes": {"is_crowd": true}, "label_id": 1, "bbox": [0, 0, 50, 50]},
      {"id": 4, "type": "mask", "attributes": {}, "label_id": 1, "rle": {"counts": "abc", "size": [50, 100]}},
      {"id": 5, "type": "label", "attributes": {}, "label_id": 1}],
     "attr": {"frame": 0}, "image": {"path": "a.jpg", "size": [50, 100]}},
     {"id": "b", "annotations": [], "media": {"path": ""}}]})");
  const Dataset data = set.inspect("default.json");
  CHECK(data.classes.names == std::vector<std::string>{"zebra", "cat"});
  REQUIRE(data.pictures.size() == 2);
  CHECK(data.pictures[0].width == 100);
  CHECK(data.pictures[1].file.filename() == "b.png");
  REQUIRE(data.truth.truths.size() == 4);
  check_box(data, 0, "a.jpg", "cat", {10, 20, 20.5, 25});
  check_box(data, 1, "a.jpg", "zebra", {45, 15, 10, 20});
  check_box(data, 2, "a.jpg", "cat", {1, 2, 10, 20});
  CHECK(data.truth.truths[3].crowd);
  CHECK(data.boxes.size() == 3);
  CHECK(faults_of(data) == Faults{{"turned_box", 1}, {"outline_box", 1}, {"no_box", 2}, {"missing_size", 1}});
}

TEST_CASE("what is wrong in a Datumaro file is told with its item") {
  const ToolFolder set;
  const auto fault = [&](const std::string& items) {
    set.write("a.json", R"({"categories": {"label": {"labels": [{"name": "cat"}]}}, "items": )" + items + "}");
    return set.refusal("a.json");
  };
  using Catch::Contains;
  const std::string image = R"("image": {"path": "a.jpg", "size": [50, 100]})";
  CHECK_THAT(fault("7"), Contains("an object with a list 'items'"));
  CHECK_THAT(fault("[{}]"), Contains("items[0]: an item is an object with an 'id'"));
  CHECK_THAT(
      fault(R"([{"id": "a", "annotations": [{"type": "bbox", "label_id": 3, "bbox": [1,2,3,4]}], )" + image + "}]"),
      Contains("items[0] ('a.jpg'), annotation 1: 'label_id' is 3, of 1 label"));
  CHECK_THAT(
      fault(R"([{"id": "a", "annotations": [{"type": "bbox", "label_id": 0, "bbox": [1,2,3]}], )" + image + "}]"),
      Contains("items[0]: 'bbox' must be [x, y, w, h]"));
  CHECK_THAT(
      fault(R"([{"id": "a", "annotations": [{"type": "bbox", "label_id": -1, "bbox": [1,2,3,4]}], )" + image + "}]"),
      Contains("'label_id' must be a label's place, not -1"));
}

TEST_CASE("KITTI's rows are boxes; DontCare regions are left out and told") {
  const ToolFolder set;
  set.write("label_2/a.txt",
            "Car 0.00 0 -1.57 10.00 20.00 30.50 45.00 1.5 1.6 3.7 1.0 1.7 20.0 -1.5\r\n"
            "DontCare -1 -1 -10 50.00 1.00 60.00 9.00 -1 -1 -1 -1000 -1000 -1000 -10\r\n"
            "Pedestrian 0 0 0.2 1 2 11 22 1 1 1 1 1 1 0.1\r\n");
  const Dataset data = set.inspect("label_2");
  CHECK(data.classes.names == std::vector<std::string>{"Car", "Pedestrian"});
  REQUIRE(data.truth.truths.size() == 2);
  check_box(data, 0, "a.jpg", "Car", {10, 20, 20.5, 25});
  check_box(data, 1, "a.jpg", "Pedestrian", {1, 2, 10, 20});
  CHECK(faults_of(data) == Faults{{"dont_care", 1}, {"no_annotation_file", 1}});
  set.write("label_2/a.txt", "Car 0 0 0 1 2 3 4 5\nCar 0 0 0 1 x 3 4 5 6 7 8 9 10 11\n");
  CHECK_THAT(set.refusal("label_2", ", format: kitti"),
             Catch::Contains("a.txt:1: 9 columns") && Catch::Contains("a.txt:2: 'x'"));
}

TEST_CASE("KITTI's rows belong to one picture: two that differ in their extension alone are refused by name") {
  const ToolFolder set;
  set.write("label_2/a.txt", "Car 0 0 0 1 2 3 4 1 1 1 1 1 1 1\n");
  test::write_small_picture(set.folder / "images/a.png", 100, 50, 7);
  CHECK_THAT(set.refusal("label_2", ", format: kitti"),
             Catch::Contains("ambiguous_annotation") && Catch::Contains("a.jpg and ") && Catch::Contains("a.png"));
}

TEST_CASE("Roboflow's exports are read as folders: their COCO file, and their table") {
  const ToolFolder set;
  fs::rename(set.folder / "images", set.folder / "train");
  set.write("d.yaml", "train: ../train\n");
  set.write("train/_annotations.csv",
            "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,50,cat,10,20,30.5,45\n\n\"a.jpg\",100,50,\"big,"
            " dog\",1,2,11,22\n");
  const Dataset table = inspect_dataset(load_dataset_config(set.folder / "d.yaml"), "train");
  CHECK(table.classes.names == std::vector<std::string>{"big, dog", "cat"});
  check_box(table, 0, "a.jpg", "cat", {10, 20, 20.5, 25});
  check_box(table, 1, "a.jpg", "big, dog", {1, 2, 10, 20});
  CHECK(faults_of(table) == Faults{{"no_rows", 1}});

  set.write("train/_annotations.coco.json", R"({"info": {"year": "2024"}, "licenses": [{"id": 1}],
    "categories": [{"id": 0, "name": "pets", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "pets"}],
    "images": [{"id": 0, "license": 1, "file_name": "a.jpg", "height": 50, "width": 100}],
    "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 20, 20.5, 25], "area": 512.5,
      "segmentation": [], "iscrowd": 0}]})");
  const DatasetConfig config = load_dataset_config(set.folder / "d.yaml");
  CHECK(config.splits[0].format == AnnotationFormat::kCoco);
  CHECK(inspect_dataset(config, "train").truth.truths.size() == 1);
}

TEST_CASE("what is wrong in a table is told with its line") {
  const ToolFolder set;
  const auto fault = [&](const std::string& text, const std::string& more = "") {
    set.write("t.csv", text);
    return set.refusal("t.csv", more);
  };
  using Catch::Contains;
  const std::string header = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
  CHECK_THAT(fault("a,b\n1,2\n"), Contains("a table needs a header with filename, class, xmin"));
  CHECK_THAT(fault("a,b\n1,2\n", ", format: csv"), Contains("t.csv:1: the table has no column 'filename'"));
  CHECK_THAT(fault(header + "a.jpg,100,50,cat,1,2,3\n"), Contains("t.csv:2: the record has 7 fields, the header 8"));
  CHECK_THAT(fault(header + "a.jpg,100,50,cat,1,2,3,x\n"), Contains("t.csv:2: ymax must be a number, not 'x'"));
  CHECK_THAT(fault(header + "a.jpg,100,50,,1,2,3,4\n"), Contains("t.csv:2: a row needs a filename and a class"));
  CHECK_THAT(fault(header + "a.jpg,1e9,50,cat,1,2,3,4\n"), Contains("width and height must be numbers of pixels"));
  CHECK_THAT(fault(header + "\"a.jpg,100\n,50"), Contains("t.csv:2: a quote is not closed"));
  CHECK_THAT(fault(header + "c.jpg,100,50,cat,1,2,3,4\n"), Contains("missing_picture") && Contains("c.jpg"));
  const std::string wide(
      "\xFF\xFE"
      "a\0,\0",
      6);
  CHECK_THAT(fault(wide, ", format: csv"), Contains("UTF-16"));
}

TEST_CASE("a spreadsheet's semicolons part columns, too") {
  const ToolFolder set;
  set.write("t.csv",
            "\xEF\xBB\xBF"
            "filename;class;xmin;ymin;xmax;ymax\r\na.jpg;cat;10;20;30.5;45\r\n");
  check_box(set.inspect("t.csv"), 0, "a.jpg", "cat", {10, 20, 20.5, 25});
}

TEST_CASE("Open Images' fractions are of the pictures that are there, its groups are crowds, its codes have names") {
  const ToolFolder set;
  set.write(
      "boxes.csv",
      "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
      "a,xclick,/m/01yrx,1,0.1,0.305,0.4,0.9,0,0,0,0,0\n"
      "a,xclick,/m/0bt9lr,1,0.5,1,0,1,0,0,1,0,0\n"
      "zzz,xclick,/m/0bt9lr,1,0.5,1,0,1,0,0,1,0,0\n");
  set.write("oidv7-class-descriptions-boxable.csv",
            "LabelName,DisplayName\n/m/01yrx,Cat\n/m/0bt9lr,Dog\n/m/011k07,Tortoise\n");
  const Dataset data = set.inspect("boxes.csv");
  CHECK(data.classes.names == std::vector<std::string>{"Cat", "Dog"});
  CHECK(data.pictures.size() == 2);
  REQUIRE(data.truth.truths.size() == 2);
  check_box(data, 0, "a.jpg", "Cat", {10, 20, 20.5, 25});
  check_box(data, 1, "a.jpg", "Dog", {50, 0, 50, 50});
  CHECK(data.truth.truths[1].crowd);
  CHECK(data.boxes.size() == 1);
  CHECK(faults_of(data) == Faults{{"unknown_image", 1}});
  fs::rename(set.folder / "oidv7-class-descriptions-boxable.csv", set.folder / "class-descriptions-boxable.csv");
  set.write("class-descriptions-boxable.csv", "/m/01yrx,Cat\n/m/0bt9lr,Dog\n");
  CHECK(set.inspect("boxes.csv").classes.names == std::vector<std::string>{"Cat", "Dog"});
}

TEST_CASE("a format told by content is said, one that is written is not; an unknown word names those there are") {
  const ToolFolder set;
  set.write("json/a.json", kLabelmeA);
  set.write("d.yaml", "train: {images: images, annotations: json}\n");
  const auto load = [&] { load_dataset(load_dataset_config(set.folder / "d.yaml"), "train"); };
  CHECK_THAT(test::stderr_of(load), Catch::Contains("json is read as labelme, by its content"));
  set.write("d.yaml", "train: {images: images, annotations: json, format: labelme}\n");
  CHECK_THAT(test::stderr_of(load), !Catch::Contains("is read as"));
  set.write("d.yaml", "train: {images: images, annotations: json, format: labelmee}\n");
  CHECK_THROWS_WITH(load(), Catch::Contains("d.yaml:1: ") && Catch::Contains("did you mean 'labelme'?"));
}

TEST_CASE("names of the YAML choose the order of classes; others are refused with the place") {
  const ToolFolder set;
  set.write("json/a.json", kLabelmeA);
  set.write("d.yaml", "train: {images: images, annotations: json}\nnames: [dog, cat]\n");
  const DatasetConfig config = load_dataset_config(set.folder / "d.yaml");
  CHECK(inspect_dataset(config, "train").truth.truths[0].category_id == 0);
  set.write("d.yaml", "train: {images: images, annotations: json}\nnames: [Dog, cat]\n");
  CHECK_THROWS_WITH(load_dataset(load_dataset_config(set.folder / "d.yaml"), "train"),
                    Catch::Contains("unknown_class") && Catch::Contains("a.json: shape 1 'dog'") &&
                        Catch::Contains("the list has 'Dog'"));
}

TEST_CASE("a picture with two entries has the boxes of both, each once") {
  const ToolFolder set;
  set.write("json/a.json", kLabelmeA);
  set.write("json/again.json", kLabelmeA);
  const Dataset data = set.inspect("json");
  CHECK(data.pictures.size() == 1);
  CHECK(data.truth.truths.size() == 4);
  const Faults faults = faults_of(data);
  CHECK(faults.at("repeated_picture") == 1);
  CHECK(faults.at("duplicate_box") == 4);
}

TEST_CASE("a picture is one, whatever way its name is written") {
  const ToolFolder set;
  test::write_small_picture(set.folder / "images/sub/c.jpg", 100, 50, 3);
  set.write(
      "t.csv",
      "filename,class,xmin,ymin,xmax,ymax\n./a.jpg,cat,1,2,3,4\nsub//c.jpg,cat,1,2,3,4\nsub/../b.png,cat,1,2,3,4\n"
      "a.jpg,cat,5,6,7,8\n");
  const Dataset table = set.inspect("t.csv");
  CHECK(table.pictures.size() == 3);
  CHECK(table.truth.truths.size() == 4);
  CHECK(faults_of(table).empty());

  const std::string region = R"("regions": [{"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3,
      "height": 4}, "region_attributes": {"class": "cat"}}]})";
  set.write("via.json",
            R"({"1": {"filename": "a.jpg", )" + region + R"(, "2": {"filename": "./a.jpg", )" + region + "}");
  const Dataset via = set.inspect("via.json");
  CHECK(via.pictures.size() == 1);
  CHECK(via.truth.truths.size() == 1);
  CHECK(faults_of(via) == Faults{{"repeated_picture", 1}, {"duplicate_box", 1}});
}

TEST_CASE("crowds that are no boxes are left out of the metric, too; one over the edge stays") {
  const ToolFolder set;
  set.write("boxes.csv",
            "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
            "a,cat,0.5,0.2,0.1,0.4,1\na,cat,nan,0.2,0.1,0.4,1\na,cat,0.1,0.2,0.4,0.4,1\na,cat,0.5,1.5,0,1,1\n"
            "a,cat,0.1,0.2,0.1,0.4,0\n");
  const Dataset data = set.inspect("boxes.csv");
  REQUIRE(data.truth.truths.size() == 2);
  check_box(data, 0, "a.jpg", "cat", {50, 0, 100, 50});
  CHECK(data.truth.truths[0].crowd);
  CHECK(faults_of(data) == Faults{{"box_inverted", 1}, {"box_not_finite", 1}, {"box_zero_area", 1}});
}

TEST_CASE("an object with the box of a crowd is an object") {
  const ToolFolder set;
  set.write("boxes.csv",
            "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\na,cat,0.1,0.2,0.1,0.4,1\na,cat,0.1,0.2,0.1,0.4,0\n");
  const Dataset data = set.inspect("boxes.csv");
  CHECK(data.truth.truths.size() == 2);
  CHECK(data.boxes.size() == 1);
  CHECK(faults_of(data).empty());
}

TEST_CASE("pictures that Open Images' rows cannot tell apart are refused") {
  const ToolFolder set;
  test::write_small_picture(set.folder / "images/sub/a.png", 100, 50, 3);
  set.write("boxes.csv", "ImageID,LabelName,XMin,XMax,YMin,YMax\na,cat,0.1,0.2,0.1,0.4\n");
  CHECK_THAT(set.refusal("boxes.csv"),
             Catch::Contains("shared_id") && Catch::Contains("sub/a.png and ") && Catch::Contains("a.jpg; rename one"));
}

TEST_CASE("labelme's shapes of one label and group are one object") {
  const ToolFolder set;
  const auto shape = [](const char* label, const char* group, const char* points) {
    return std::string(R"({"shape_type": "polygon", "label": ")") + label + R"(", "group_id": )" + group +
           R"(, "points": )" + points + "}";
  };
  set.write("json/a.json", R"({"shapes": [)" + shape("cat", "0", "[[1, 2], [5, 2], [5, 6]]") + "," +
                               shape("cat", "0", "[[20, 30], [25, 30], [25, 36]]") + "," +
                               shape("dog", "0", "[[1, 2], [5, 2], [5, 6]]") + "," +
                               shape("cat", "null", "[[1, 2], [5, 2], [5, 6]]") +
                               R"(], "imagePath": "a.jpg", "imageHeight": 50, "imageWidth": 100})");
  set.write("json/b.json", R"({"shapes": [)" + shape("cat", "0", "[[1, 2], [5, 2], [5, 6]]") +
                               R"(], "imagePath": "b.png", "imageHeight": 80, "imageWidth": 40})");
  const Dataset data = set.inspect("json");
  REQUIRE(data.truth.truths.size() == 4);
  check_box(data, 0, "a.jpg", "cat", {1, 2, 24, 34});
  check_box(data, 1, "a.jpg", "dog", {1, 2, 4, 4});
  check_box(data, 2, "a.jpg", "cat", {1, 2, 4, 4});
  check_box(data, 3, "b.png", "cat", {1, 2, 4, 4});
  CHECK(faults_of(data) == Faults{{"outline_box", 5}, {"joined_shapes", 1}});
}

TEST_CASE("Datumaro's outlines of one label and group are one object, and none where the group has a box") {
  const ToolFolder set;
  set.write("default.json", R"({"categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}},
    "items": [{"id": "a", "annotations": [
      {"type": "polygon", "label_id": 0, "group": 1, "points": [1, 2, 5, 2, 5, 6]},
      {"type": "polygon", "label_id": 0, "group": 1, "points": [20, 30, 25, 30, 25, 36]},
      {"type": "polygon", "label_id": 1, "group": 1, "points": [1, 2, 5, 2, 5, 6]},
      {"type": "polygon", "label_id": 0, "group": 0, "points": [1, 2, 5, 2, 5, 6]},
      {"type": "polygon", "label_id": 0, "group": 2, "points": [31, 32, 35, 32, 35, 36]},
      {"type": "bbox", "label_id": 0, "group": 2, "bbox": [30, 30, 10, 10]}],
     "image": {"path": "a.jpg", "size": [50, 100]}}]})");
  const Dataset data = set.inspect("default.json");
  REQUIRE(data.truth.truths.size() == 4);
  check_box(data, 0, "a.jpg", "cat", {1, 2, 24, 34});
  check_box(data, 1, "a.jpg", "dog", {1, 2, 4, 4});
  check_box(data, 2, "a.jpg", "cat", {1, 2, 4, 4});
  check_box(data, 3, "a.jpg", "cat", {30, 30, 10, 10});
  CHECK(faults_of(data) == Faults{{"outline_box", 4}, {"joined_shapes", 1}, {"outline_of_box", 1}});
}

TEST_CASE("a stray file among labelme's or VOC's does not hide them") {
  const ToolFolder set;
  set.write("images/a.json", kLabelmeA);
  for (const char* stray : {"images/0.json", "images/meta.json", "images/z.json"}) set.write(stray, "{\"made\": 2024}");
  set.write("d.yaml", "train: images\n");
  CHECK(load_dataset_config(set.folder / "d.yaml").splits[0].format == AnnotationFormat::kLabelme);
  set.write("images/labels.txt", "dog\ncat\n");  // no picture's
  CHECK(load_dataset_config(set.folder / "d.yaml").splits[0].format == AnnotationFormat::kLabelme);
  set.write("images/a.xml", "<annotation/>");
  for (const char* stray : {"images/0.xml", "images/z.xml"}) set.write(stray, "<project/>");
  CHECK(load_dataset_config(set.folder / "d.yaml").splits[0].format == AnnotationFormat::kVoc);
}
