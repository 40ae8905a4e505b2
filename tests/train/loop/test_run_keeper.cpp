#include "train/loop/run_keeper.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/data_files.h"
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

TEST_CASE("a fresh record leaves no state that a run would go on with, a continued one all of them") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  const auto states = {folder.last(), folder.previous(), folder.best_state()};
  for (const auto& state : states) test::write_file(state, "of an earlier run");
  test::write_file(folder.best(), "its weights");
  RunKeeper(folder, {}, /*is_main=*/false).open({});
  RunKeeper(folder, {}, /*is_main=*/true).open(LogPosition{});
  for (const auto& state : states) CHECK(std::filesystem::exists(state));
  RunKeeper(folder, {}, /*is_main=*/true).open({});
  for (const auto& state : states) CHECK_FALSE(std::filesystem::exists(state));
  CHECK(std::filesystem::exists(folder.best()));
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
