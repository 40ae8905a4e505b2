#include "train/report/speed_front.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "train/report/work_progress.h"

using Catch::Matchers::Contains;
using namespace rtdetr;

namespace {

SpeedPoint point(std::int64_t layers, double ap, double ms) {
  return {.decoder_layers = layers, .num_queries = 100, .size = {320, 320}, .ap = ap, .ms = ms};
}

/// Layers of the points that nothing beats, by time.
std::vector<std::int64_t> front_of(std::vector<SpeedPoint> points) {
  find_front(points);
  std::vector<std::int64_t> layers;
  for (const SpeedPoint& p : points)
    if (!p.beaten_by) layers.push_back(p.decoder_layers);
  return layers;
}

}  // namespace

TEST_CASE("the front is what no other point beats in time and accuracy") {
  using Layers = std::vector<std::int64_t>;
  CHECK(front_of({point(3, 0.5, 12), point(1, 0.3, 8), point(2, 0.29, 10)}) == Layers{1, 3});
  CHECK(front_of({point(1, 0.3, 8), point(2, 0.3, 8)}) == Layers{1, 2});  // equal ones do not beat each other
  CHECK(front_of({point(1, 0.3, 8), point(2, 0.3, 9)}) == Layers{1});     // as accurate, but slower
  CHECK(front_of({point(1, 0.3, 8), point(2, 0.31, 8)}) == Layers{2});    // as fast, but better
}

TEST_CASE("a beaten point names the fastest that beats it, and the table numbers them by time") {
  std::vector<SpeedPoint> points{point(6, 0.40, 30), point(5, 0.45, 20), point(4, 0.42, 10), point(3, 0.2, 5)};
  find_front(points);
  REQUIRE(points.back().decoder_layers == 6);
  CHECK(points.back().beaten_by == 1);
  CHECK_THAT(front_table(points), Contains("fp32          2\n"));
  CHECK(front_json(points)[3]["beaten_by"] == 1);
  CHECK(front_json(points)[0]["beaten_by"].is_null());
}

TEST_CASE("a budget takes the most accurate point that is fast enough") {
  std::vector<SpeedPoint> points{point(6, 0.40, 30), point(4, 0.42, 10), point(3, 0.2, 5)};
  find_front(points);
  REQUIRE(best_within(points, 25) != nullptr);
  CHECK(best_within(points, 25)->decoder_layers == 4);
  CHECK(best_within(points, 10)->decoder_layers == 4);  // the limit itself is within
  CHECK(best_within(points, 4.9) == nullptr);
  CHECK(keys_of(*best_within(points, 6)) == "decoder_layers=3 num_queries=100 imgsz=320 amp=off");
}

TEST_CASE("the front's picture has the size that was asked for, and a line of work says what is left") {
  std::vector<SpeedPoint> points{point(6, 0.40, 30), point(4, 0.42, 10)};
  find_front(points);
  const Picture picture = front_picture(points, "m", 20);
  CHECK(picture.width == 800);
  CHECK((picture.rgb != front_picture(points, "m").rgb));  // the budget is drawn
  CHECK(WorkProgress(5000, "pass 1 of 2: ").line(1200, 60) ==
        "pass 1 of 2: 1,200 of 5,000 pictures, 20.0 pictures/s, 3:10 left");
}
