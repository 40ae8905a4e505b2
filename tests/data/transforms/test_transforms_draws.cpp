#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "data/transforms/geometric.h"
#include "data/transforms/photometric.h"

// The draws against the distributions of the official recipe
// (docs/reference/official_behaviour.md#augmentation). Margins are five standard
// deviations of the statistic; the streams are fixed, so a test that passes once passes always.

namespace rtdetr {
namespace {

constexpr int kDraws = 20000;

Random stream(int index) { return {3, RandomPurpose::kAugmentation, 0, static_cast<std::uint64_t>(index)}; }

double five_sigma(double probability, double draws = kDraws) {
  return 5 * std::sqrt(probability * (1 - probability) / draws);
}

/// Mean, smallest and largest of what was drawn.
struct Summary {
  double sum = 0, low = 1e300, high = -1e300;
  int count = 0;
  void add(double value) {
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
    ++count;
  }
  /// Uniform on [a, b]: the mean in the middle, the ends reached.
  void check_uniform(double a, double b) const {
    const double width = b - a;
    CHECK(sum / count == Approx((a + b) / 2).margin(5 * width / std::sqrt(12.0 * count)));
    CHECK(low >= a);
    CHECK(low < a + 0.01 * width);
    CHECK(high <= b);
    CHECK(high > b - 0.01 * width);
  }
};

GeometricOptions nothing() {
  GeometricOptions options;
  options.zoom_out = options.iou_crop = options.flip = 0;
  return options;
}

}  // namespace

TEST_CASE("photometric operations are drawn one by one with their ranges") {
  Summary brightness, contrast, saturation;
  int hue = 0, contrast_first = 0;
  int hue_low = 0, hue_high = 0;
  std::map<std::array<int, 3>, int> channels;
  for (int i = 0; i < kDraws; ++i) {
    Random random = stream(i);
    const Photometric drawn = draw_photometric(0.5, random);
    if (drawn.brightness) brightness.add(*drawn.brightness);
    if (drawn.contrast) contrast.add(*drawn.contrast);
    if (drawn.saturation) saturation.add(*drawn.saturation);
    if (drawn.hue) {
      ++hue;
      hue_low = std::min(hue_low, *drawn.hue);
      hue_high = std::max(hue_high, *drawn.hue);
    }
    contrast_first += drawn.contrast_first;
    ++channels[drawn.channels];
  }
  for (const int count : {brightness.count, contrast.count, saturation.count, hue, contrast_first}) {
    CHECK(count / double{kDraws} == Approx(0.5).margin(five_sigma(0.5)));
  }
  brightness.check_uniform(0.875, 1.125);
  contrast.check_uniform(0.5, 1.5);
  saturation.check_uniform(0.5, 1.5);
  // 0.05 of a circle of 255, towards zero.
  CHECK(hue_low == -12);
  CHECK(hue_high == 12);
  // Half are left alone, and a sixth of the other half is the identity.
  CHECK(channels.size() == 6);
  for (const auto& [order, count] : channels) {
    const double share = order == std::array<int, 3>{0, 1, 2} ? 0.5 + 0.5 / 6 : 0.5 / 6;
    CHECK(count / double{kDraws} == Approx(share).margin(five_sigma(share)));
  }
}

TEST_CASE("probability zero draws nothing and one everything") {
  for (int i = 0; i < 100; ++i) {
    Random random = stream(i);
    CHECK_FALSE(draw_photometric(0, random).changes_anything());
    const Photometric all = draw_photometric(1, random);
    CHECK((all.brightness && all.contrast && all.saturation && all.hue));
  }
}

TEST_CASE("zoom-out takes a canvas of one to four sides and any place on it") {
  GeometricOptions options = nothing();
  options.zoom_out = 0.5;
  Summary ratio, left, top;
  int applied = 0;
  for (int i = 0; i < kDraws; ++i) {
    Random random = stream(i);
    std::vector<LabelledBox> boxes{{{100, 200, 300, 400}, 0}};
    const PictureWindow window = draw_geometry(options, 1000, 800, boxes, random).window;
    if (window.width == 1000) continue;
    ++applied;
    ratio.add(window.width / 1000.0);
    CHECK(window.height == Approx(0.8 * window.width).margin(1.0));
    CHECK(boxes[0].xyxy[0] == static_cast<float>(100 - window.x));
    CHECK(boxes[0].xyxy[3] == static_cast<float>(400 - window.y));
    if (window.width < 2000) continue;
    left.add(-window.x / (window.width - 1000.0));
    top.add(-window.y / (window.height - 800.0));
  }
  CHECK(applied / double{kDraws} == Approx(0.5).margin(five_sigma(0.5)));
  ratio.check_uniform(1, 4);
  left.check_uniform(0, 1);
  top.check_uniform(0, 1);
}

TEST_CASE("every crop is of the allowed size and shape and holds a box's centre") {
  GeometricOptions options = nothing();
  options.iou_crop = 1;
  int cropped = 0;
  for (int i = 0; i < 4000; ++i) {
    Random random = stream(i);
    std::vector<LabelledBox> boxes{{{40, 50, 260, 280}, 1}, {{500, 300, 620, 460}, 2}, {{10, 400, 12, 402}, 3}};
    const auto before = boxes;
    const PictureWindow window = draw_geometry(options, 640, 480, boxes, random).window;
    if (window.width == 640 && window.height == 480) continue;
    ++cropped;
    CHECK((window.width >= 192 && window.width <= 640));
    CHECK((window.height >= 144 && window.height <= 480));
    CHECK((window.width <= 2 * window.height && window.height <= 2 * window.width));
    CHECK((window.x >= 0 && window.y >= 0 && window.x + window.width <= 640 && window.y + window.height <= 480));
    std::vector<LabelledBox> kept;
    for (const LabelledBox& box : before) {
      const float cx = (box.xyxy[0] + box.xyxy[2]) / 2, cy = (box.xyxy[1] + box.xyxy[3]) / 2;
      const auto x = static_cast<float>(window.x), y = static_cast<float>(window.y);
      if (cx <= x || cx >= x + static_cast<float>(window.width) || cy <= y ||
          cy >= y + static_cast<float>(window.height)) {
        continue;
      }
      kept.push_back(box);
    }
    REQUIRE(!kept.empty());
    // The small box may be cut below a pixel; the large ones never are.
    std::erase_if(kept, [](const LabelledBox& box) { return box.label == 3; });
    std::erase_if(boxes, [](const LabelledBox& box) { return box.label == 3; });
    REQUIRE(boxes.size() == kept.size());
    for (std::size_t b = 0; b < boxes.size(); ++b) {
      CHECK(boxes[b].label == kept[b].label);
      CHECK(boxes[b].xyxy[0] == std::max(kept[b].xyxy[0] - static_cast<float>(window.x), 0.0f));
      CHECK(boxes[b].xyxy[3] ==
            std::min(kept[b].xyxy[3] - static_cast<float>(window.y), static_cast<float>(window.height)));
    }
  }
  CHECK(cropped > 2000);
}

TEST_CASE("a tiny box leaves the crop two ways out: no threshold and no crop") {
  GeometricOptions options = nothing();
  options.iou_crop = 1;
  int whole = 0;
  constexpr int kRounds = 4000;
  for (int i = 0; i < kRounds; ++i) {
    Random random = stream(i);
    // No crop of it reaches IoU 0.1, and of 40 crops one has the centre: options 0.0 and 1.0 are equally likely.
    std::vector<LabelledBox> boxes{{{316, 236, 324, 244}, 0}};
    const PictureWindow window = draw_geometry(options, 640, 480, boxes, random).window;
    whole += window.width == 640 && window.height == 480;
  }
  CHECK(whole / double{kRounds} == Approx(0.5).margin(five_sigma(0.5, kRounds)));
}

TEST_CASE("mirrors and turns come with their probabilities, and never when off") {
  GeometricOptions options = nothing();
  options.flip = 0.5;
  options.flip_vertical = 0.25;
  options.rotate90 = 0.75;
  int flips = 0, vertical = 0, turns = 0;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<LabelledBox> boxes;
    Random random = stream(i), other = stream(i);
    const Geometry geometry = draw_geometry(options, 8, 6, boxes, random);
    // A turned window carries the mirrors on the other axis.
    flips += geometry.quarter_turn ? geometry.window.flip_y : geometry.window.flip_x;
    vertical += geometry.quarter_turn ? geometry.window.flip_x : geometry.window.flip_y;
    turns += geometry.quarter_turn;
    const Geometry still = draw_geometry(nothing(), 8, 6, boxes, other);
    CHECK_FALSE((still.quarter_turn || still.window.flip_x || still.window.flip_y));
  }
  CHECK(flips / double{kDraws} == Approx(0.5).margin(five_sigma(0.5)));
  CHECK(vertical / double{kDraws} == Approx(0.25).margin(five_sigma(0.25)));
  CHECK(turns / double{kDraws} == Approx(0.75).margin(five_sigma(0.75)));
}

}  // namespace rtdetr
