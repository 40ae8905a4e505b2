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

}  // namespace rtdetr
