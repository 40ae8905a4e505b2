#include <catch2/catch.hpp>

#include "tests/support/compared_runs.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

TEST_CASE("D-FINE-N stopped in the middle of 100 steps and continued ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path(), {.pictures = 20});
  settings.model = "dfine-n";
  settings.epochs = 20;
  settings.val = false;
  const RunOutcome whole = train_here(settings, "whole");
  REQUIRE(whole.end == RunOutcome::End::kFinished);
  REQUIRE(whole.steps == 100);
  check_stops(settings, {52});
}

}  // namespace rtdetr::test
