#include "train/commands/stage_timer.h"

#include <catch2/catch.hpp>

using rtdetr::spread_of;

TEST_CASE("percentiles lie between the sorted times") {
  const rtdetr::Spread spread = spread_of({5, 1, 2, 4, 3});
  CHECK(spread.min == 1);
  CHECK(spread.p50 == 3);
  CHECK(spread.p95 == Approx(4.8));
  CHECK(spread.p99 == Approx(4.96));
  CHECK(spread_of({7}).p99 == 7);
}
