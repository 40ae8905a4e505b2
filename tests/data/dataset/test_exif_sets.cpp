#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/image/exif.h"
#include "core/io/file.h"
#include "data/dataset/dataset.h"
#include "data/tools/convert.h"
#include "data/tools/doctor.h"
#include "tests/support/data_files.h"
#include "tests/support/exif_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

/// One picture, stored 40 wide and 20 high, that EXIF turns a quarter clockwise. Its box is in the file's numbers.
struct TurnedSet {
  test::TemporaryFolder folder;

  explicit TurnedSet(int orientation = 6) {
    test::write_small_picture(folder / "stored.png", 40, 20, 1);
    test::write_file(folder / "images/a.png",
                     test::with_exif(read_text_file(folder / "stored.png"), test::exif_text(orientation, true)));
    test::write_file(folder / "labels/a.txt", "0 0.25 0.5 0.5 0.5\n");
  }
  DatasetConfig yolo(const std::string& more) const {
    test::write_file(folder / "yolo.yaml", "train: images\nnames: [cat]\n" + more);
    return load_dataset_config(folder / "yolo.yaml");
  }
  DatasetConfig coco(int width, int height, const std::string& more) const {
    const std::string size = "\"width\":" + std::to_string(width) + ",\"height\":" + std::to_string(height);
    test::write_file(folder / "train.json", R"({"images":[{"id":1,"file_name":"a.png",)" + size +
                                                R"(}],"categories":[{"id":1,"name":"cat"}],"annotations":[)" +
                                                R"({"id":1,"image_id":1,"category_id":1,"bbox":[1,2,10,8]}]})");
    test::write_file(folder / "coco.yaml", "train: {images: images, annotations: train.json}\n" + more);
    return load_dataset_config(folder / "coco.yaml");
  }
};

bool warns_of_turned(const DatasetConfig& config) {
  const DatasetReport report = check_dataset(config);
  return std::any_of(report.problems.begin(), report.problems.end(),
                     [](const auto& p) { return p.kind == "exif_turned"; });
}

}  // namespace

TEST_CASE("exif: true in a data set's YAML turns pictures upright, and boxes belong to the upright ones") {
  const TurnedSet set;
  const Dataset stored = load_dataset(set.yolo(""), "train");
  CHECK(stored.pictures[0].width == 40);
  CHECK(stored.boxes[0].xyxy == std::array<float, 4>{0, 5, 20, 15});
  CHECK(load_sample(stored, 0).picture.width == 40);

  const Dataset upright = load_dataset(set.yolo("exif: true\n"), "train");
  CHECK(upright.pictures[0].width == 20);
  CHECK(upright.boxes[0].xyxy == std::array<float, 4>{0, 10, 10, 30});
  const Sample sample = load_sample(upright, 0);
  CHECK(sample.picture.rgb == turn_upright(read_picture(set.folder / "stored.png"), 6).rgb);
  CHECK(sample.boxes[0].xyxy == upright.boxes[0].xyxy);
}

TEST_CASE("a size that fits only the other way of looking at a picture is refused with that hint") {
  const TurnedSet set;
  CHECK_NOTHROW(load_sample(load_dataset(set.coco(40, 20, ""), "train"), 0));
  CHECK_NOTHROW(load_sample(load_dataset(set.coco(20, 40, "exif: true\n"), "train"), 0));
  CHECK_THROWS_WITH(load_sample(load_dataset(set.coco(20, 40, ""), "train"), 0),
                    Contains("is 40x20 pixels, but annotated as 20x40") && Contains("exif: true"));
  CHECK_THROWS_WITH(load_sample(load_dataset(set.coco(40, 20, "exif: true\n"), "train"), 0),
                    Contains("is 20x40 pixels, but annotated as 40x20") && Contains("exif: false"));
}

TEST_CASE("check names turned pictures unless the annotated size shows what boxes belong to") {
  const TurnedSet quarter;
  CHECK(warns_of_turned(quarter.yolo("")));
  CHECK_FALSE(warns_of_turned(quarter.yolo("exif: true\n")));
  CHECK_FALSE(warns_of_turned(quarter.coco(40, 20, "")));
  CHECK(warns_of_turned(TurnedSet(3).coco(40, 20, "")));  // upside down: the size tells nothing
  CHECK_FALSE(warns_of_turned(TurnedSet(1).yolo("")));
}

TEST_CASE("a converted data set keeps its way of looking at EXIF") {
  const TurnedSet set;
  const Conversion conversion =
      convert_dataset(set.yolo("exif: true\n"), set.folder / "converted", {.to = AnnotationFormat::kCoco});
  const DatasetConfig config = load_dataset_config(conversion.config);
  CHECK(config.exif);
  CHECK(load_sample(load_dataset(config, "train"), 0).picture.width == 20);
}

TEST_CASE("exif in a data set's YAML is true or false") {
  CHECK_THROWS_WITH(TurnedSet().yolo("exif: 6\n"), Contains("'exif' must be true or false"));
}
