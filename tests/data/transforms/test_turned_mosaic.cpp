#include "data/transforms/turned_mosaic.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tests/data/synthetic_pictures.h"

namespace rtdetr {
namespace {

constexpr int kFrame = 128;

std::shared_ptr<const Sample> tile_of(Picture picture, std::vector<LabelledBox> boxes, std::int64_t index) {
  Sample sample;
  sample.original_width = picture.width;
  sample.original_height = picture.height;
  sample.picture = std::move(picture);
  sample.boxes = std::move(boxes);
  sample.picture_index = index;
  return std::make_shared<const Sample>(std::move(sample));
}

struct TurnedResult {
  std::vector<float> chw = std::vector<float>(3 * kFrame * kFrame, -1.0f);
  Batch::Image target;
  float at(int channel, int x, int y) const {
    return chw[static_cast<std::size_t>((channel * kFrame + y) * kFrame + x)];
  }
};

TransformOptions turned_options() {
  TransformOptions options;
  options.height = options.width = kFrame;
  options.photometric = 0;
  options.zoom_out = options.iou_crop = 1;  // which a mosaic is spared
  return options;
}

TurnedResult draw_turned(const MosaicSamples& samples, const TransformOptions& options, std::uint64_t index) {
  Random random(4, RandomPurpose::kAugmentation, 0, index);
  TurnedResult result;
  draw_turned_mosaic(samples, options, 0, {kFrame, kFrame}, random, result.chw.data(), result.target);
  return result;
}

}  // namespace

TEST_CASE("boxes follow their pixels into every corner of a turned mosaic") {
  int whole = 0;
  for (std::uint64_t index = 0; index < 200; ++index) {
    const test::Colour blue{0, 90, 255}, red{255, 90, 0};
    MosaicSamples samples;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool marked = i == index % 4;
      samples[i] = marked ? tile_of(test::rectangle_picture(80, 60, blue, 22, 10, 50, 41, red), {{{22, 10, 50, 41}, 7}},
                                    static_cast<std::int64_t>(i))
                          : tile_of(test::rectangle_picture(50, 70, blue, 0, 0, 0, 0, red), {}, 0);
    }
    const TurnedResult result = draw_turned(samples, turned_options(), index);
    const auto found = test::red_extent(result.chw, kFrame, kFrame);
    INFO("draw " << index);
    if (result.target.labels.empty()) {
      CHECK(found[2] - found[0] < 3);
      continue;
    }
    REQUIRE(result.target.labels == std::vector<std::int64_t>{7});
    const auto& box = result.target.boxes_cxcywh;
    const std::array<float, 4> hull{(box[0] - box[2] / 2) * kFrame, (box[1] - box[3] / 2) * kFrame,
                                    (box[0] + box[2] / 2) * kFrame, (box[1] + box[3] / 2) * kFrame};
    const bool cut = hull[0] < 1 || hull[1] < 1 || hull[2] > kFrame - 1 || hull[3] > kFrame - 1;
    if (cut) continue;  // a turned corner outside leaves the hull larger than what is seen
    ++whole;
    for (std::size_t side = 0; side < 4; ++side) CHECK(found[side] == Approx(hull[side]).margin(2.5));
  }
  CHECK(whole > 80);
}

TEST_CASE("a turned mosaic shows its four pictures and black ground") {
  MosaicSamples samples;
  for (int i = 0; i < 4; ++i) {
    const auto level = static_cast<std::uint8_t>(50 + 60 * i);
    samples[static_cast<std::size_t>(i)] =
        tile_of(test::rectangle_picture(100, 100, {level, level, level}, 0, 0, 0, 0, {}), {}, 3 + i);
  }
  int four = 0;
  for (std::uint64_t index = 0; index < 100; ++index) {
    const TurnedResult result = draw_turned(samples, turned_options(), index);
    const std::set<float> levels(result.chw.begin(), result.chw.end());
    const auto shown = [&](int level) { return levels.contains(static_cast<float>(level) / 255.0f); };
    four += shown(0) && shown(50) && shown(110) && shown(170) && shown(230);
    CHECK(*levels.begin() >= 0);
    CHECK(*levels.rbegin() <= 230 / 255.0f);
    CHECK(result.target.picture_index == 3);
    CHECK(result.target.original_width == 100);
  }
  CHECK(four > 50);
}

TEST_CASE("a canvas that is not turned stays as it is; shifted, it leaves black behind") {
  const Picture canvas = test::noise_picture(9, 7, 1);
  CHECK((turn_canvas({}, canvas).rgb == canvas.rgb));
  const Picture shifted = turn_canvas({.shift_x = 2, .shift_y = -1}, canvas);
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 9; ++x) {
      const bool inside = x >= 2 && y < 6;
      const int expected = inside ? canvas.row(y + 1)[3 * (x - 2)] : 0;
      CHECK(shifted.row(y)[3 * x] == expected);
    }
  }
}

TEST_CASE("a canvas is turned clockwise, about its centre") {
  Picture canvas(8, 8);
  canvas.row(0)[0] = 200;  // the top left corner
  const Picture turned = turn_canvas({.degrees = 90}, canvas);
  CHECK(turned.row(0)[3 * 7] == 200);
  std::vector<LabelledBox> boxes{{{0, 0, 1, 2}, 0}};
  turn_boxes({.degrees = 90}, 8, 8, boxes);
  CHECK(boxes[0].xyxy[0] == Approx(6));
  CHECK(boxes[0].xyxy[1] == Approx(0).margin(1e-6));
  CHECK(boxes[0].xyxy[2] == Approx(8));
  CHECK(boxes[0].xyxy[3] == Approx(1));
}

TEST_CASE("how a canvas is turned stays within DEIM's bounds and fills them") {
  TransformOptions options;
  Random random(3, RandomPurpose::kAugmentation, 0, 0);
  CanvasTurn low{10, 2, 1000, 1000}, high{-10, 0, -1000, -1000};
  for (int i = 0; i < 2000; ++i) {
    const CanvasTurn turn = draw_canvas_turn(options, 640, 480, random);
    low = {std::min(low.degrees, turn.degrees), std::min(low.scale, turn.scale), std::min(low.shift_x, turn.shift_x),
           std::min(low.shift_y, turn.shift_y)};
    high = {std::max(high.degrees, turn.degrees), std::max(high.scale, turn.scale),
            std::max(high.shift_x, turn.shift_x), std::max(high.shift_y, turn.shift_y)};
  }
  CHECK(low.degrees == Approx(-10).margin(0.05));
  CHECK(high.degrees == Approx(10).margin(0.05));
  CHECK(low.scale == Approx(0.5).margin(0.005));
  CHECK(high.scale == Approx(1.5).margin(0.005));
  CHECK(low.shift_x == -64);
  CHECK(high.shift_x == 64);
  CHECK(low.shift_y == -48);
  CHECK(high.shift_y == 48);
}

TEST_CASE("a lying and a standing strip make a canvas of eight tiles by eight") {
  const auto lying = tile_of(test::noise_picture(320, 20, 1), {}, 0);
  const auto standing = tile_of(test::noise_picture(20, 320, 1), {}, 0);
  const auto square = tile_of(test::noise_picture(30, 30, 1), {{{0, 0, 30, 30}, 1}}, 0);
  float widest = 0;
  for (std::uint64_t index = 0; index < 30; ++index) {
    const auto boxes = draw_turned({square, lying, standing, square}, turned_options(), index).target.boxes_cxcywh;
    for (std::size_t i = 2; i < boxes.size(); i += 4) widest = std::max(widest, boxes[i]);
  }
  CHECK(widest > 0.1f);  // a square tile is an eighth, up to 1.5 times as large and a little turned
  CHECK(widest < 0.22f);
}

TEST_CASE("a picture that is very long does not make an endless canvas") {
  const auto strip = tile_of(test::noise_picture(20000, 2, 1), {{{0, 0, 20000, 2}, 1}}, 0);
  const TurnedResult result = draw_turned({strip, strip, strip, strip}, turned_options(), 0);
  CHECK(*std::min_element(result.chw.begin(), result.chw.end()) >= 0);
}

}  // namespace rtdetr
