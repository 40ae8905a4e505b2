#include "core/image/placement.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "tests/support/fixtures.h"

using namespace rtdetr;

namespace {

constexpr std::array kEveryFit{Fit::kStretch, Fit::kLetterbox, Fit::kKeepRatio};

PictureSize size_of(const nlohmann::json& hw) { return {hw[1], hw[0]}; }

nlohmann::json letterbox_fixture() {
  return nlohmann::json::parse(std::ifstream(test::kFixtures / "yolov8_letterbox.json"));
}

}  // namespace

TEST_CASE("a letterboxed picture lies where Ultralytics puts it, in a square and in the smallest frame",
          "[yolov8_letterbox]") {
  const nlohmann::json fixture = letterbox_fixture();
  CHECK(kLetterboxGrey == fixture["fill"]);
  int compared = 0;
  for (const char* part : {"square_640", "minimum_rectangle_640"}) {
    for (const auto& entry : fixture[part]) {
      INFO(part << " " << entry.dump());
      const PictureSize picture = size_of(entry["in_hw"]);
      ImageSize input{640, 640};
      if (part == std::string("minimum_rectangle_640"))
        input = input_for(std::array{place(picture, input, Fit::kLetterbox)}, 32);
      CHECK(input == ImageSize{entry["out_hw"][0], entry["out_hw"][1]});
      const Placement placement = place(picture, input, Fit::kLetterbox);
      CHECK(placement.y == entry["top_left"][0]);
      CHECK(placement.x == entry["top_left"][1]);
      CHECK(placement.height == entry["content_hw"][0]);
      CHECK(placement.width == entry["content_hw"][1]);
      ++compared;
    }
  }
  CHECK(compared == 18);
}

TEST_CASE("boxes go back to the picture as Ultralytics brings them", "[yolov8_letterbox]") {
  const nlohmann::json fixture = letterbox_fixture();
  int compared = 0;
  for (const auto& entry : fixture["scale_boxes"]) {
    const Placement placement =
        place(size_of(entry["to_hw"]), {entry["from_hw"][0], entry["from_hw"][1]}, Fit::kLetterbox);
    for (std::size_t i = 0; i < entry["in_xyxy"].size(); ++i) {
      const std::array<double, 4> back = placement.to_picture(entry["in_xyxy"][i]);
      for (std::size_t side = 0; side < 4; ++side) {
        INFO(entry["to_hw"].dump() << " box " << i << " side " << side);
        CHECK(std::abs(back[side] - entry["out_xyxy"][i][side].get<double>()) <= 1e-4);  // they are float32 there
        ++compared;
      }
    }
  }
  CHECK(compared == 60);
}

TEST_CASE("the shorter side becomes the smaller limit, unless the longer one passes the larger limit") {
  struct Example {
    PictureSize picture;
    int width, height;
  };
  // Numbers by hand: 800/480 · 640 = 1066.7, 1333/1000 · 300 = 399.9 → 400 …
  for (const Example& example : {Example{{640, 480}, 1066, 800},
                                 {{480, 640}, 800, 1066},
                                 {{300, 300}, 800, 800},
                                 {{1000, 300}, 1333, 400},
                                 {{300, 1000}, 400, 1333},
                                 {{500, 300}, 1333, 800},
                                 {{1, 1}, 800, 800},
                                 {{5000, 1}, 1333, 1},
                                 {{1, 5000}, 1, 1333}}) {
    for (const ImageSize limits : {ImageSize{800, 1333}, ImageSize{1333, 800}}) {
      const Placement placement = place(example.picture, limits, Fit::kKeepRatio);
      INFO(example.picture.width << "x" << example.picture.height);
      CHECK(placement.width == example.width);
      CHECK(placement.height == example.height);
      CHECK((placement.x == 0 && placement.y == 0));
      CHECK(placement.shares_fractions());
    }
  }
}

TEST_CASE("boxes come back from the input as they went there, of any shape of picture") {
  for (const Fit fit : kEveryFit) {
    for (const PictureSize size : {PictureSize{640, 480}, {641, 479}, {1, 1}, {1, 37}, {4001, 3}, {3, 4001}, {13, 7}}) {
      const Placement placement = place(size, {640, 672}, fit);
      const double width = size.width, height = size.height;
      for (const std::array<double, 4> box : {std::array{0.0, 0.0, width, height},
                                              {width * 0.25, height * 0.5, width * 0.25 + 1e-3, height * 0.5 + 1e-3},
                                              {width - 1, height - 1, width, height}}) {
        const std::array<double, 4> there = placement.to_input(box), back = placement.to_picture(there);
        for (std::size_t side = 0; side < 4; ++side) {
          INFO(size.width << "x" << size.height << " side " << side);
          CHECK(std::abs(back[side] - box[side]) <= 1e-9 * std::max(width, height));
          const int begin = side % 2 == 0 ? placement.x : placement.y;
          const int length = side % 2 == 0 ? placement.width : placement.height;
          CHECK(there[side] > begin - 1);
          CHECK(there[side] < begin + length + 1);
        }
      }
    }
  }
}

TEST_CASE("a picture has at least one pixel of the input, and lies inside it") {
  for (const Fit fit : kEveryFit) {
    for (const PictureSize size : {PictureSize{1, 1}, {1, 100000}, {100000, 1}, {65535, 2}}) {
      const ImageSize limits{320, 640}, input = largest_input(limits, fit, 32);
      const Placement placement = place(size, limits, fit);
      CHECK((placement.width >= 1 && placement.height >= 1 && placement.x >= 0 && placement.y >= 0));
      CHECK(placement.x + placement.width <= input.width);
      CHECK(placement.y + placement.height <= input.height);
    }
  }
}

TEST_CASE("what is filled is what the picture leaves free, and nothing else") {
  for (const Fit fit : {Fit::kLetterbox, Fit::kKeepRatio}) {
    const Placement placement = place({5, 3}, {12, 16}, fit);
    const int width = 16, height = 16;
    std::vector<float> pixels(static_cast<std::size_t>(3) * width * height, -1);
    const ChwView all = ChwView::whole(pixels.data(), width, height);
    fill_around(placement, fit, all);
    const ChwView part = part_of(placement, all);
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < part.height; ++y)
        for (int x = 0; x < part.width; ++x) CHECK(std::exchange(part.row(c, y)[x], 2.0f) == -1);
    const float ground = fit == Fit::kLetterbox ? 114.0f / 255.0f : 0.0f;
    const auto filled = std::count(pixels.begin(), pixels.end(), ground),
               shown = std::count(pixels.begin(), pixels.end(), 2.0f);
    CHECK(shown == 3 * placement.width * placement.height);
    CHECK(filled + shown == std::ssize(pixels));
  }
}

TEST_CASE("a picture without pixels has no place") {
  CHECK_THROWS_AS(place({0, 5}, {32, 32}, Fit::kLetterbox), InternalError);
}
