#include "train/loop/run_keeper.h"

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::TemporaryFolder;

TEST_CASE("a save is due so many seconds of training or so many steps after the last one, whichever comes first") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunKeeper keeper(folder, {.save_every = 10, .save_steps = 3}, /*is_main=*/true);
  CHECK_FALSE(keeper.save_is_due({.steps = 2, .seconds = 9}));
  CHECK(keeper.save_is_due({.steps = 3, .seconds = 1}));
  CHECK(keeper.save_is_due({.steps = 1, .seconds = 10}));
  keeper.begin_with(folder.last(), {.steps = 40, .seconds = 100});
  CHECK_FALSE(keeper.save_is_due({.steps = 42, .seconds = 109}));
  CHECK(keeper.save_is_due({.steps = 43, .seconds = 101}));
  CHECK(keeper.save_is_due({.steps = 41, .seconds = 110}));
  CHECK_FALSE(RunKeeper(folder, {.save_every = 0}, true).save_is_due({.steps = 1000, .seconds = 1e6}));
}

TEST_CASE("every save_period-th epoch is kept, none without it") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  const RunKeeper keeper(folder, {.save_period = 3}, true), without(folder, {}, true);
  for (const std::int64_t epoch : {2, 5}) CHECK(keeper.keeps_epoch(epoch));
  for (const std::int64_t epoch : {0, 1, 3, 4, 6}) CHECK_FALSE(keeper.keeps_epoch(epoch));
  for (const std::int64_t epoch : {0, 1, 2}) CHECK_FALSE(without.keeps_epoch(epoch));
}

}  // namespace rtdetr
