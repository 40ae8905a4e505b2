#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "train/optim/lr_schedule.h"

namespace rtdetr {

TEST_CASE("warm-up rises by steps to the full rate") {
  const LrSchedule schedule{.warmup_steps = 4};
  CHECK(schedule.factor({.step = 0}) == 0.25);
  CHECK(schedule.factor({.step = 3}) == 1);
  CHECK(schedule.factor({.step = 100}) == 1);
  CHECK(LrSchedule{.warmup_steps = 0}.factor({}) == 1);
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
