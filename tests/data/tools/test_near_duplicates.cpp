#include "data/tools/near_duplicates.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "core/image/resize.h"
#include "tests/data/synthetic_pictures.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
namespace fs = std::filesystem;

namespace {

/// Soft patches of brightness, other ones for another seed.
Picture scene(std::uint64_t seed, int width = 160, int height = 120) {
  return resize(test::noise_picture(6, 5, seed), width, height);
}

Picture brighter(Picture picture, double factor, int more) {
  for (std::uint8_t& v : picture.rgb)
    v = static_cast<std::uint8_t>(std::clamp(std::lround(v * factor) + more, 0L, 255L));
  return picture;
}

/// Three training pictures, two to evaluate: one is a training picture saved anew and smaller.
struct TwoSplits {
  test::TemporaryFolder folder;

  TwoSplits() {
    for (int i = 0; i < 3; ++i) write("train", i, scene(static_cast<std::uint64_t>(i)));
    write("val", 3, resize(scene(1), 100, 75));
    write("val", 4, scene(40));
    test::write_file(folder / "d.yaml", "train: images/train\nval: images/val\nnames: [cat]\n");
  }
  void write(const std::string& split, int i, const Picture& picture) const {
    const std::string stem = split + "/p" + std::to_string(i);
    fs::create_directories(folder / "images" / split);
    write_picture(folder / "images" / (stem + ".jpg"), picture);
    test::write_file(folder / "labels" / (stem + ".txt"), "0 0.5 0.5 0.5 0.5\n");
  }
};

}  // namespace

TEST_CASE("a picture looks like itself when it is shrunk, brighter or saved as JPEG; another does not") {
  const PictureSketch sketch = sketch_of(scene(7));
  CHECK(sketch.usable);
  CHECK(different_bits(sketch, sketch) == 0);
  CHECK(correlation(sketch, sketch) == Approx(1));
  CHECK(look_alike(sketch, sketch_of(resize(scene(7), 61, 47))));
  CHECK(look_alike(sketch, sketch_of(brighter(scene(7), 0.7, 20))));
  const test::TemporaryFolder folder;
  write_picture(folder / "a.jpg", scene(7));
  CHECK(look_alike(sketch, sketch_of(read_picture(folder / "a.jpg"))));
  for (std::uint64_t other = 100; other < 400; ++other) CHECK_FALSE(look_alike(sketch, sketch_of(scene(other))));
}

TEST_CASE("pictures turned, or plain, look like nothing") {
  Picture mirrored = scene(7);
  for (int y = 0; y < mirrored.height; ++y) {
    for (int x = 0; x < mirrored.width / 2; ++x) {
      for (int c = 0; c < 3; ++c)
        std::swap(mirrored.row(y)[3 * x + c], mirrored.row(y)[3 * (mirrored.width - 1 - x) + c]);
    }
  }
  CHECK_FALSE(look_alike(sketch_of(scene(7)), sketch_of(mirrored)));
  Picture plain(50, 40);
  std::fill(plain.rgb.begin(), plain.rgb.end(), std::uint8_t{128});
  CHECK_FALSE(sketch_of(plain).usable);
  CHECK_FALSE(look_alike(sketch_of(plain), sketch_of(plain)));
  CHECK_FALSE(sketch_of(Picture{}).usable);
}

TEST_CASE("a pair is the likest picture of an earlier split, for any number of threads") {
  const std::vector<std::vector<PictureSketch>> splits{{sketch_of(scene(1)), sketch_of(scene(2))},
                                                       {sketch_of(scene(3)), sketch_of(brighter(scene(2), 0.9, 5))},
                                                       {sketch_of(scene(2)), PictureSketch{}}};
  for (const int threads : {1, 3}) {
    const auto pairs = find_near_pairs(splits, threads);
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0].split == 1);
    CHECK(pairs[0].picture == 1);
    CHECK(pairs[0].other == 1);
    CHECK(pairs[1].split == 2);
    CHECK(pairs[1].other_split == 0);
    CHECK(pairs[1].bits == 0);
  }
  CHECK(find_near_pairs({}, 1).empty());
}

TEST_CASE("check tells pictures that look alike across splits, and draws them") {
  const TwoSplits set;
  const DatasetConfig config = load_dataset_config(set.folder / "d.yaml");
  const DatasetReport report = check_dataset(config, {.label_tiles = 4});
  const auto found = std::find_if(report.problems.begin(), report.problems.end(),
                                  [](const auto& p) { return p.kind == "near_duplicate_across_splits"; });
  REQUIRE(found != report.problems.end());
  CHECK(found->count == 1);
  CHECK(found->severity == DataProblem::Severity::kWarning);
  CHECK_THAT(found->where, Catch::Contains("val/p3.jpg ~ train: ") && Catch::Contains("train/p1.jpg ("));
  REQUIRE(report.near_duplicates.size() == 1);
  CHECK_THAT(report.near_duplicates[0].other, Catch::Contains("p1.jpg"));
  CHECK(report.near_duplicate_sheet.width > 320);
  CHECK(check_dataset(config).near_duplicate_sheet.width == 0);
}

TEST_CASE("copies to the last byte are told once, as copies") {
  const TwoSplits set;
  fs::copy_file(set.folder / "images/train/p1.jpg", set.folder / "images/val/p3.jpg",
                fs::copy_options::overwrite_existing);
  const DatasetReport report = check_dataset(load_dataset_config(set.folder / "d.yaml"));
  CHECK(report.near_duplicates.empty());
  CHECK(std::any_of(report.problems.begin(), report.problems.end(),
                    [](const auto& p) { return p.kind == "duplicate_across_splits"; }));
}
