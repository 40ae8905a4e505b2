// What other detectors learn, from drawn weights to eight pictures known by heart.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/image/picture.h"
#include "tests/support/rival_models.h"
#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using nlohmann::json;

namespace {

/// A part of each of the eight pictures at its own scale, with the boxes of which at least half is in it.
///
/// YOLOv8 begins with boxes of 120 pixels at its finest map, and an anchor learns a box as far as it overlaps it, to
/// the sixth power: of 35 pixels, as BCCD's platelets are, it can; of 9, as they are in whole pictures of 160, it never
/// does.
class CroppedPictures {
 public:
  static constexpr int kSide = 192;

  /// @return  the YAML of the data
  static std::string write(const Scratch& scratch) {
    const std::filesystem::path bccd = std::filesystem::path(RTDETR_SOURCE_DIR) / "data/samples/bccd";
    const json whole = json::parse(read(bccd / "annotations/instances_overfit8.json"));
    json cropped{{"images", json::array()}, {"annotations", json::array()}, {"categories", whole["categories"]}};
    std::filesystem::create_directories(scratch.path / "images");
    for (std::size_t i = 0; i < kCorners.size(); ++i) {
      const std::string name = std::to_string(i) + ".png";
      const auto [left, top] = kCorners[i];
      write_picture(
          scratch.path / "images" / name,
          crop(read_picture(bccd / "images" / whole["images"][i]["file_name"].get<std::string>()), left, top));
      cropped["images"].push_back({{"id", i}, {"file_name", name}, {"width", kSide}, {"height", kSide}});
      for (const json& one : whole["annotations"])
        if (one["image_id"] == whole["images"][i]["id"]) add(cropped, one, i, left, top);
    }
    scratch.write("cropped.json", cropped.dump());
    return scratch.write("cropped.yaml",
                         "path: .\n"
                         "train: {images: images, annotations: cropped.json}\n"
                         "val: {images: images, annotations: cropped.json}\n");
  }

 private:
  struct Corner {
    int left, top;
  };
  static constexpr std::array<Corner, 8> kCorners{
      {{320, 256}, {0, 0}, {16, 256}, {16, 48}, {320, 288}, {272, 288}, {336, 176}, {256, 48}}};

  static Picture crop(const Picture& whole, int left, int top) {
    Picture part(kSide, kSide);
    for (int y = 0; y < kSide; ++y) std::copy_n(whole.row(top + y) + 3 * left, 3 * kSide, part.row(y));
    return part;
  }

  static void add(json& cropped, const json& annotation, std::size_t picture, int left, int top) {
    const std::array<double, 4> box = annotation["bbox"];
    const double x0 = std::max(box[0] - left, 0.0), x1 = std::min(box[0] + box[2] - left, 1.0 * kSide);
    const double y0 = std::max(box[1] - top, 0.0), y1 = std::min(box[1] + box[3] - top, 1.0 * kSide);
    if (x1 <= x0 || y1 <= y0 || (x1 - x0) * (y1 - y0) < 0.5 * box[2] * box[3]) return;
    cropped["annotations"].push_back({{"id", cropped["annotations"].size() + 1},
                                      {"image_id", picture},
                                      {"category_id", annotation["category_id"]},
                                      {"bbox", {x0, y0, x1 - x0, y1 - y0}},
                                      {"area", (x1 - x0) * (y1 - y0)},
                                      {"iscrowd", 0}});
  }
};

/// Trains, and exports the best weights with batch norms folded into convolutions: the fused file has the AP of the
/// plain one, and both know the pictures.
void check_learns(const Scratch& scratch, const std::string& words) {
  const Result trained =
      run(scratch, "train cfg=overfit threads=1 plots=false quiet=true project=" + scratch.file("runs") + " " + words);
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const std::string best = scratch.file("runs/exp/best.safetensors"), fused = scratch.file("fused.safetensors");
  const json exported =
      document_of(run(scratch, "export format=safetensors json=true model=" + best + " output=" + fused));
  CHECK(exported["max_abs_diff"] < 1e-4);
  const std::string data = words.substr(words.find("data="));
  const auto stats = [&](const std::string& model) {
    return document_of(run(
        scratch, "val threads=1 plots=false json=true model=" + model + " " + data.substr(0, data.find(' '))))["stats"];
  };
  const json plain = stats(best), folded = stats(fused);
  CHECK(plain[1].get<double>() >= 0.95);  // AP50
  for (std::size_t i = 0; i < plain.size(); ++i)
    CHECK(folded[i].get<double>() == Approx(plain[i].get<double>()).margin(0.002));
}

}  // namespace

TEST_CASE("YOLOv8n learns parts of eight pictures by heart") {
  const Scratch scratch;
  check_learns(scratch, "data=" + CroppedPictures::write(scratch) +
                            " imgsz=192 epochs=150 val_every=150 ema_decay=0.95 lrf=0.1 model=yolov8n");
}

TEST_CASE("a plain vision transformer learns eight pictures by heart") {
  const Scratch scratch;
  check_learns(scratch,
               "data=bccd_overfit8 imgsz=192 epochs=300 val_every=300 model=" + scratch.write("vit.yaml", small_vit()));
}

TEST_CASE("a DINO learns eight pictures by heart") {
  const Scratch scratch;
  check_learns(scratch, "data=bccd_overfit8 imgsz=160 epochs=250 val_every=250 model=" +
                            scratch.write("dino.yaml", small_dino()));
}

}  // namespace rtdetr::test
