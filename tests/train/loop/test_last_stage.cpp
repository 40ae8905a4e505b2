#include "train/loop/last_stage.h"

#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

/// Epochs before which a run of these APs goes back.
std::vector<std::int64_t> returns_of(const LastStageOptions& options, const std::vector<double>& aps) {
  LastStage stage(options);
  std::vector<std::int64_t> returns;
  double best = -1;
  for (std::int64_t epoch = 0; epoch < std::ssize(aps); ++epoch) {
    const double progress = static_cast<double>(epoch) / static_cast<double>(aps.size());
    if (stage.goes_back({.epoch = epoch}, progress, best)) returns.push_back(epoch);
    const double ap = aps[static_cast<std::size_t>(epoch)];
    if (ap < 0) continue;  // not validated
    best = std::max(best, ap);
    stage.note(ap);
  }
  return returns;
}

}  // namespace

TEST_CASE("a run without a last stage never goes back") {
  CHECK(returns_of({.retry = true}, {0.5, 0.4, 0.3, 0.2}).empty());
  CHECK_FALSE(LastStage({}).is_wanted());
}

TEST_CASE("a last stage goes back once, and with retry after each epoch that is no better") {
  const std::vector<double> aps{0.3, 0.2, 0.25, 0.4, 0.4, 0.1, 0.2};
  CHECK(returns_of({.from = 2}, aps) == std::vector<std::int64_t>{2});
  CHECK(returns_of({.from = 0.5}, aps) == std::vector<std::int64_t>{4});
  // epoch 2 is measured against 0.3, epoch 3 against nothing, epoch 4 against 0.4, epoch 5 against nothing, 6 against
  // 0.1
  CHECK(returns_of({.from = 2, .retry = true}, aps) == std::vector<std::int64_t>{2, 3, 5});
}

TEST_CASE("a run that was not validated has nothing to go back to") {
  CHECK(returns_of({.from = 2, .retry = true}, {-1, -1, -1, -1}).empty());
}

TEST_CASE("a last stage waits for the first validation that found something") {
  CHECK(returns_of({.from = 2, .retry = true}, {-1, -1, -1, 0.4, 0.3, 0.2}) == std::vector<std::int64_t>{4, 5});
  CHECK(returns_of({.from = 0}, {0.4, 0.3, 0.2}) == std::vector<std::int64_t>{1});
  LastStage stage({.from = 2, .retry = true});
  REQUIRE(stage.goes_back({.epoch = 2}, 0.5, 0.4));
  stage.note(-1);  // no box in the validation data
  CHECK_FALSE(stage.goes_back({.epoch = 3}, 0.75, 0.4));
}

TEST_CASE("a last stage tells whether the best weights may still be needed") {
  LastStage once({.from = 2}), again({.from = 2, .retry = true});
  CHECK_FALSE(LastStage({}).may_go_back(0.4));
  CHECK_FALSE(once.may_go_back(-1));
  CHECK(once.may_go_back(0.4));
  REQUIRE(once.goes_back({.epoch = 2}, 0.5, 0.4));
  REQUIRE(again.goes_back({.epoch = 2}, 0.5, 0.4));
  CHECK_FALSE(once.may_go_back(0.4));
  CHECK(again.may_go_back(0.4));
}

TEST_CASE("a run that is continued inside an epoch does not go back there") {
  LastStage stage({.from = 2});
  CHECK_FALSE(stage.goes_back({.epoch = 2, .next_batch = 3}, 0.5, 0.4));
  CHECK_FALSE(stage.has_begun());
  CHECK(stage.goes_back({.epoch = 3}, 0.75, 0.4));
  CHECK(stage.returns() == 1);
}

TEST_CASE("of several validations in one epoch the first that is no better decides") {
  LastStage stage({.from = 2, .retry = true});
  REQUIRE(stage.goes_back({.epoch = 2}, 0.5, 0.4));
  stage.note(0.3);
  stage.note(0.5);
  REQUIRE(stage.goes_back({.epoch = 3}, 0.75, 0.5));
  stage.note(0.1);  // measured against nothing
  CHECK_FALSE(stage.goes_back({.epoch = 4}, 0.8, 0.5));
}

}  // namespace rtdetr
