#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"
#include "core/plot/canvas.h"
#include "core/plot/chart.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/histogram.h"

using namespace rtdetr;

namespace {

/// Pixels of about that colour in the columns [from, to).
int count_color(const Picture& picture, Color color, int from, int to) {
  int count = 0;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = from; x < to; ++x) {
      const std::uint8_t* pixel = picture.row(y) + x * 3;
      count += std::abs(pixel[0] - color.red) < 10 && std::abs(pixel[1] - color.green) < 10 &&
               std::abs(pixel[2] - color.blue) < 10;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("every curve is drawn in its own colour") {
  const std::vector<ChartSeries> series = {{"", {0, 1, 2}, {0, 0.5, 1}}, {"", {0, 1, 2}, {1, 0.5, 0}}};
  const Picture chart = line_chart(series, {.title = "t", .x_label = "x", .y_label = "y", .width = 400, .height = 300});
  CHECK(chart.width == 400);
  CHECK(chart.height == 300);
  for (const int index : {0, 1}) CHECK(count_color(chart, curve_color(index), 0, 400) > 300);
  CHECK(count_color(chart, curve_color(2), 0, 400) == 0);
}

TEST_CASE("a point that is no number leaves a gap") {
  std::vector<ChartSeries> series = {{"", {0, 1, 2, 3}, {1, NAN, 1, 2}}};
  const Picture gap = line_chart(series, {.width = 400, .height = 300});
  series[0].y[1] = 1;
  const Picture whole = line_chart(series, {.width = 400, .height = 300});
  CHECK(count_color(gap, curve_color(0), 100, 200) == 0);
  CHECK(count_color(whole, curve_color(0), 100, 200) > 100);
}

TEST_CASE("charts of nothing, one point, equal, huge and tiny values are drawn, too") {
  CHECK(line_chart({}, {}).width == 640);
  for (const double value : {0.0, 1.0, -3.0, 1e-12, 1e12, 1e300}) {
    CHECK(line_chart(std::vector<ChartSeries>{{"one", {5}, {value}}}, {}).width == 640);
    CHECK(line_chart(std::vector<ChartSeries>{{"two", {5, 6}, {value, value * 1.001}}}, {.y_label = "y"}).width == 640);
  }
  CHECK(line_chart(std::vector<ChartSeries>{{"equal but for rounding", {0, 1}, {0.3, 0.1 + 0.2}}}, {}).width == 640);
  CHECK(line_chart(std::vector<ChartSeries>{{"near", {0, 1}, {1, 1 + 1e-8}}}, {}).width == 640);
  CHECK(line_chart(std::vector<ChartSeries>{{"none", {NAN}, {1}}}, {.y_low = 0, .y_high = 1}).width == 640);
}

TEST_CASE("the legend hides no curve where there is room, be it in no corner") {
  // A cross through all four corners, and a short curve that is named.
  std::vector<ChartSeries> series = {{"", {0, 1}, {0, 1}}, {"", {0, 1}, {1, 0}}, {"", {0.4, 0.5}, {0.9, 0.9}}};
  const Picture plain = line_chart(series, {});
  series[2].name = "named";
  const Picture chart = line_chart(series, {});
  for (const int index : {0, 1}) {
    CHECK(count_color(chart, curve_color(index), 0, 640) == count_color(plain, curve_color(index), 0, 640));
  }
  CHECK(count_color(chart, curve_color(2), 0, 640) > count_color(plain, curve_color(2), 0, 640));
}

TEST_CASE("where the legend has to hide something, it is no curve's highest point") {
  // Lines all over but in the upper right corner, where nothing is except the tip of a curve.
  std::vector<ChartSeries> series{{"", {0, 0.85, 0.86, 0.87, 1}, {0, 0, 0.95, 0, 0}}};
  for (int line = 1; line <= 20; ++line) series.push_back({"", {0, line < 16 ? 1 : 0.7}, {0.05 * line, 0.05 * line}});
  const auto tip = [&] {
    Picture chart = line_chart(series, {.y_low = 0, .y_high = 1});
    chart.height = 45;
    return count_color(chart, curve_color(0), 480, 590);
  };
  const int whole = tip();
  series[0].name = "named";
  CHECK(whole > 10);
  CHECK(tip() == whole);
}

TEST_CASE("between whole numbers along x there are no ticks") {
  const auto ticks = [](std::vector<double> x) {
    const Picture chart =
        line_chart(std::vector<ChartSeries>{{"", std::move(x), {0, 0, 0}}}, {.y_low = 0, .y_high = 1});
    const std::uint8_t* row = chart.row(chart.height / 2 - 15);  // between two lines of the grid
    int count = 0;
    for (int i = 1; i < chart.width; ++i) count += row[3 * i] < 240 && row[3 * i - 3] >= 240;
    return count;
  };
  CHECK(ticks({1, 2, 3}) == 3);
  CHECK(ticks({1, 2, 2.5}) > 3);
}

TEST_CASE("a curve of unequal lengths is refused") {
  CHECK_THROWS_AS(line_chart(std::vector<ChartSeries>{{"a", {1, 2}, {1}}}, {}), InternalError);
}

TEST_CASE("a mosaic shrinks pictures to their tiles, keeps their shape and does not enlarge") {
  Picture wide(400, 100);
  std::fill(wide.rgb.begin(), wide.rgb.end(), std::uint8_t{200});
  Picture small(10, 10);
  const std::vector<Tile> tiles = {{wide, ""}, {small, ""}, {wide, ""}, {Picture(), ""}, {wide, ""}};
  const Picture sheet = contact_sheet(tiles, {.tile_width = 100, .tile_height = 50});
  CHECK(sheet.width == 3 * 106 + 6);
  CHECK(sheet.height == 2 * 31 + 6);  // no tile needs more than 25
  CHECK(count_color(sheet, {200, 200, 200}, 0, sheet.width) == 3 * 100 * 25);
  CHECK(count_color(sheet, kBlack, 0, sheet.width) == 100);
}

TEST_CASE("a caption too long for its tile keeps its end, a file's name") {
  const auto sheet = [](const std::string& caption) {
    const std::vector<Tile> tiles = {{Picture(50, 50), caption}};
    return contact_sheet(tiles, {.tile_width = 80, .tile_height = 50}).rgb;
  };
  CHECK((sheet("1 place, labelled Platelets: a00312.jpg") != sheet("1 place, labelled Platelets: a00313.jpg")));
}

TEST_CASE("captions make room for themselves, and no tiles make no picture") {
  const std::vector<Tile> tiles = {{Picture(50, 50), "a caption that is far too long for a tile of this width"}};
  const Picture sheet = contact_sheet(tiles, {.tile_width = 50, .tile_height = 50});
  CHECK(sheet.width == 62);
  CHECK(sheet.height > 70);
  CHECK(contact_sheet({}).width == 0);
}

TEST_CASE("the longest bar belongs to the largest number") {
  const std::vector<Bar> bars = {{"many", 100}, {"few", 10}, {"none", 0}};
  const Picture chart = bar_chart(bars, {.width = 400, .height = 200});
  const auto pixels_of = [&](std::size_t count) {
    const Picture first = bar_chart(std::span(bars).first(count), {.width = 400, .height = 200});
    return count_color(first, curve_color(0), 0, 400);
  };
  const double longest = pixels_of(1);
  CHECK(longest > 2000);
  CHECK(pixels_of(2) - longest == Approx(longest / 10).epsilon(0.2));
  CHECK(pixels_of(3) - pixels_of(2) < longest / 50);
  CHECK(count_color(chart, curve_color(0), 0, 400) == pixels_of(3));
  CHECK(bar_chart({}, {}).width == 640);
  CHECK(bar_chart(std::vector<Bar>(500, {"a name that is longer than the chart is wide, by far and more", 1}), {})
            .width == 640);
}

TEST_CASE("points are shaded where they lie, with y down or up") {
  const std::vector<double> x = {0.1, 0.1, 0.1}, y = {0.1, 0.1, 0.1};
  for (const Origin origin : {Origin::kTopLeft, Origin::kBottomLeft}) {
    const Picture chart = density_chart(x, y, origin, {.width = 300, .height = 300});
    int upper = 0, lower = 0;
    for (int row = 0; row < 300; ++row) {
      for (int column = 0; column < 300; ++column) {
        const std::uint8_t* pixel = chart.row(row) + 3 * column;
        if (pixel[0] == 8 && pixel[1] == 48 && pixel[2] == 107) ++(row < 150 ? upper : lower);
      }
    }
    CHECK((upper > 0) == (origin == Origin::kTopLeft));
    CHECK((lower > 0) == (origin == Origin::kBottomLeft));
  }
  CHECK_THROWS_AS(density_chart(x, {}, Origin::kTopLeft, {}), InternalError);
  const auto chart_of = [](const std::vector<double>& x, const std::vector<double>& y) {
    return density_chart(x, y, Origin::kTopLeft, {}).rgb;
  };
  CHECK((chart_of({NAN, 0.5}, {0, 0.5}) == chart_of({0.5}, {0.5})));  // what is no number lies nowhere
  CHECK((chart_of({7, -1}, {5, 1}) == chart_of({1, 0}, {1, 1})));     // and what lies outside, at the border
}
