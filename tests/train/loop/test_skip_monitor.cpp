#include <catch2/catch.hpp>

#include "train/loop/skip_monitor.h"

namespace rtdetr {

TEST_CASE("refused steps are bounded: 8 in a row, 25 of 100") {
  SkipMonitor in_a_row;
  for (int i = 0; i < 7; ++i) CHECK(in_a_row.note(false).empty());
  CHECK(in_a_row.note(true).empty());
  for (int i = 0; i < 7; ++i) CHECK(in_a_row.note(false).empty());
  CHECK_FALSE(in_a_row.note(false).empty());
  CHECK(in_a_row.skipped() == 15);

  SkipMonitor of_many;
  int refused = 0;
  std::string verdict;
  for (int i = 0; verdict.empty() && i < 1000; ++i) {
    const bool applied = i % 4 != 0;
    refused += applied ? 0 : 1;
    verdict = of_many.note(applied);
  }
  CHECK(refused == 25);

  SkipMonitor rare;
  for (int i = 0; i < 1000; ++i) CHECK(rare.note(i % 5 != 0).empty());
}

TEST_CASE("the history of refused steps belongs to the run's state") {
  const auto continued = [](SkipMonitor& before) {
    StateRegistry from, to;
    before.register_state(from);
    SkipMonitor after;
    after.register_state(to);
    to.restore(from.capture(), "test");
    CHECK(after.skipped() == before.skipped());
    return after.note(false);
  };
  SkipMonitor in_a_row, of_many;
  for (int i = 0; i < 7; ++i) in_a_row.note(false);
  CHECK_THAT(continued(in_a_row), Catch::Contains("8 steps in a row"));
  for (int i = 0; i < 24 * 3; ++i) of_many.note(i % 3 != 0);
  CHECK_THAT(continued(of_many), Catch::Contains("25 of the last 100 steps"));
}

}  // namespace rtdetr
