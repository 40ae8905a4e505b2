#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/plot/canvas.h"
#include "core/plot/draw.h"
#include "core/plot/thumbnail.h"

using namespace rtdetr;

namespace {

Picture grey_picture(int width, int height) {
  Picture picture(width, height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{128});
  return picture;
}

bool has_color(const Picture& picture, int x, int y, Color color) {
  const std::uint8_t* pixel = picture.row(y) + x * 3;
  return std::abs(pixel[0] - color.red) <= 2 && std::abs(pixel[1] - color.green) <= 2 &&
         std::abs(pixel[2] - color.blue) <= 2;
}

}  // namespace

TEST_CASE("a box is framed in its class's colour and the rest stays as it was") {
  Picture picture = grey_picture(300, 200);
  draw_boxes(picture, std::vector<DrawnBox>{{50, 60, 150, 160, 3, ""}});
  for (const auto& [x, y] : {std::pair{50, 100}, {150, 100}, {100, 60}, {100, 160}}) {
    INFO(x << "," << y);
    CHECK(has_color(picture, x, y, palette_color(3)));
  }
  CHECK(has_color(picture, 100, 110, {128, 128, 128}));
  CHECK(has_color(picture, 20, 20, {128, 128, 128}));
  CHECK(has_color(picture, 160, 100, {128, 128, 128}));
}

TEST_CASE("a plate stands above its box, and inside it at the upper border") {
  Picture picture = grey_picture(300, 200);
  const DrawOptions options = {.line_width = 1, .text_height = 8};  // plates of 16 pixels
  draw_boxes(picture, std::vector<DrawnBox>{{50, 60, 150, 160, 1, "a"}, {200, 10, 290, 50, 2, "b"}}, options);
  CHECK(has_color(picture, 51, 46, palette_color(1)));
  CHECK(has_color(picture, 201, 24, palette_color(2)));
}

TEST_CASE("the first box lies on top") {
  Picture picture = grey_picture(100, 100);
  draw_boxes(picture, std::vector<DrawnBox>{{20, 20, 80, 80, 1, ""}, {20, 20, 80, 80, 2, ""}});
  CHECK(has_color(picture, 50, 20, palette_color(1)));
}

TEST_CASE("boxes beyond the border, infinite or of no size do no harm") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Picture picture = grey_picture(64, 48);
  draw_boxes(picture, std::vector<DrawnBox>{{kNan, 0, 10, 10, 0, "nan"}, {0, 0, kInfinity, 10, 0, "infinite"}});
  CHECK(picture.rgb == grey_picture(64, 48).rgb);
  draw_boxes(picture, std::vector<DrawnBox>{{-1e9f, -1e9f, 1e9f, 1e9f, 0, "everything"},
                                            {1e30f, 1e30f, 1e30f, 1e30f, -7, "far"},
                                            {60, 40, 300, 300, 1, "a name that is longer than the picture is wide"},
                                            {10, 10, 10, 10, 1000, "point"},
                                            {30, 30, 20, 20, 2, "reversed \xc3\xbc \n"}});
  Picture pixel(1, 1);
  draw_boxes(pixel, std::vector<DrawnBox>{{0, 0, 1, 1, 0, "tiny"}});
}

TEST_CASE("a label is the name and, if there is one, the score") {
  CHECK(label_text("RBC", 0.934) == "RBC 0.93");
  CHECK(label_text("RBC", 0) == "RBC 0.00");
  CHECK(label_text("RBC") == "RBC");
}

TEST_CASE("colours repeat after the last, and letters on them are black or white") {
  CHECK(palette_color(0).red == palette_color(15).red);
  CHECK(palette_color(-1).green == palette_color(14).green);
  CHECK(readable_on({240, 228, 66}).red == 0);
  CHECK(readable_on({51, 34, 136}).red == 255);
}

TEST_CASE("a thumbnail keeps the picture's shape, is never larger, and its boxes lie on the same things") {
  const Thumbnail small = thumbnail(grey_picture(1000, 400), 320, 320);
  CHECK(small.picture.width == 320);
  CHECK(small.picture.height == 128);
  const std::vector<DrawnBox> boxes = small.scaled({{100, 50, 1000, 400, 2, "a"}});
  REQUIRE(boxes.size() == 1);
  CHECK(boxes[0].x0 == Approx(32));
  CHECK(boxes[0].y0 == Approx(16));
  CHECK(boxes[0].x1 == Approx(320));
  CHECK(boxes[0].y1 == Approx(128));
  CHECK(boxes[0].text == "a");
  const Thumbnail whole = thumbnail(grey_picture(30, 20), 320, 320);
  CHECK(whole.picture.width == 30);
  CHECK(whole.scale_x == 1);
  CHECK(thumbnail(grey_picture(5000, 2), 100, 100).picture.height == 1);
}
