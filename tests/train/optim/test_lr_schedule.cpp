#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "train/optim/lr_schedule.h"

namespace rtdetr {

TEST_CASE("YOLO's warm-up begins with a step at 0, and says how much of it is done") {
  const LrSchedule schedule{
      .shape = LrSchedule::Shape::kLinear, .warmup_steps = 4, .warmup = LrSchedule::Warmup::kFromZero};
  CHECK(schedule.rates({.step = 0}).factor == 0);
  CHECK(schedule.rates({.step = 0}).warmup == 0);
  CHECK(schedule.rates({.step = 3, .progress = 0.5}).factor == Approx(0.75 * 0.505));
  CHECK(schedule.rates({.step = 3, .progress = 0.5}).warmup == 0.75);
  CHECK(schedule.rates({.step = 4}).factor == 1);
  CHECK(schedule.rates({.step = 9}).warmup == 1);
}

TEST_CASE("warm-up rises by steps to the full rate") {
  const LrSchedule schedule{.warmup_steps = 4};
  CHECK(schedule.factor({.step = 0}) == 0.25);
  CHECK(schedule.factor({.step = 3}) == 1);
  CHECK(schedule.factor({.step = 100}) == 1);
  CHECK(LrSchedule{.warmup_steps = 0}.factor({}) == 1);
}

TEST_CASE("a warm-up whose steps take longer than was thought is over at twice its share of the run") {
  const LrSchedule schedule{.warmup_steps = 100, .warmup_share = 0.1};
  CHECK(schedule.factor({.step = 9, .progress = 0.09}) == 0.1);
  CHECK(schedule.factor({.step = 10, .progress = 0.15}) == Approx(0.5));
  CHECK(schedule.factor({.step = 20, .progress = 0.2}) == Approx(1));
  CHECK(schedule.factor({.step = 99, .progress = 0.01}) == 1);
}

TEST_CASE("linear and cosine go from 1 to the final factor") {
  for (const auto shape : {LrSchedule::Shape::kLinear, LrSchedule::Shape::kCosine}) {
    const LrSchedule schedule{.shape = shape, .final_factor = 0.1, .warmup_steps = 0};
    CHECK(schedule.factor({.progress = 0}) == 1);
    CHECK(schedule.factor({.progress = 0.5}) == Approx(0.55));
    CHECK(schedule.factor({.progress = 1}) == Approx(0.1));
    CHECK(schedule.factor({.progress = 1.5}) == Approx(0.1));
  }
}

TEST_CASE("the rate is held for a share of the run before it falls") {
  const LrSchedule schedule{.shape = LrSchedule::Shape::kCosine, .final_factor = 0.1, .hold = 0.5, .warmup_steps = 0};
  CHECK(schedule.factor({.progress = 0.5}) == 1);
  CHECK(schedule.factor({.progress = 0.75}) == Approx(0.55));
  CHECK(schedule.factor({.progress = 1}) == Approx(0.1));
}

TEST_CASE("DEIM's schedule is flat, falls along half a cosine, and has a tail; in shares or in epochs") {
  LrSchedule schedule{.shape = LrSchedule::Shape::kFlatCosine,
                      .final_factor = 0.5,
                      .flat_until = 0.4,
                      .tail_from = 0.8,
                      .warmup_steps = 0};
  for (int in_epochs = 0; in_epochs < 2; ++in_epochs) {
    CHECK(schedule.factor({.progress = 0.4, .epochs = 10}) == 1);
    CHECK(schedule.factor({.progress = 0.6, .epochs = 10}) == Approx(0.75));
    CHECK(schedule.factor({.progress = 0.8, .epochs = 10}) == 0.5);
    CHECK(schedule.factor({.progress = 1, .epochs = 10}) == 0.5);
    CHECK(schedule.factor({.progress = 0.61, .epochs = 10, .step_share = 0.01}) == Approx(0.75));
    schedule.flat_until = 4;
    schedule.tail_from = 8;
  }
  schedule.flat_until = 20;  // later than the run's end
  CHECK(schedule.factor({.progress = 1, .epochs = 10}) == 1);
}

TEST_CASE("a quadratic warm-up lags one step behind, as the reference's") {
  const LrSchedule schedule{.warmup_steps = 4, .warmup = LrSchedule::Warmup::kQuadratic};
  CHECK(schedule.factor({.step = 0}) == 1.0 / 500);
  CHECK(schedule.factor({.step = 1}) == 0);
  CHECK(schedule.factor({.step = 3}) == 0.25);
  CHECK(schedule.factor({.step = 5}) == 1);
  CHECK(schedule.factor({.step = 100}) == 1);
  CHECK(LrSchedule{.warmup_steps = 0, .warmup = LrSchedule::Warmup::kQuadratic}.factor({}) == 1);
}

TEST_CASE("multistep multiplies by gamma at each milestone epoch") {
  const LrSchedule schedule{
      .shape = LrSchedule::Shape::kMultiStep, .milestones = {2, 4}, .gamma = 0.1, .warmup_steps = 0};
  CHECK(schedule.factor({.epoch = 1}) == 1);
  CHECK(schedule.factor({.epoch = 2}) == Approx(0.1));
  CHECK(schedule.factor({.epoch = 4}) == Approx(0.01));
}

TEST_CASE("a misspelt schedule is answered with the nearest name") {
  CHECK(chosen("schedule", "cosine", kScheduleWords) == LrSchedule::Shape::kCosine);
  CHECK_THROWS_WITH(chosen("schedule", "cosin", kScheduleWords), Catch::Contains("did you mean 'cosine'"));
}

}  // namespace rtdetr
