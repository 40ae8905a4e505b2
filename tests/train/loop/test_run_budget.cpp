#include "train/loop/run_budget.h"

#include <catch2/catch.hpp>
#include <vector>

#include "core/base/error.h"

namespace rtdetr {

TEST_CASE("epochs end a run, between two of them") {
  const RunBudget budget({.epochs = 3}, /*batches_per_epoch=*/6);
  CHECK_FALSE(budget.finished({}));
  CHECK_FALSE(budget.epoch_is_over({.next_batch = 5}));
  CHECK(budget.epoch_is_over({.next_batch = 6}));
  CHECK_FALSE(budget.finished({.epoch = 2}));
  CHECK(budget.finished({.epoch = 3}));
  CHECK_FALSE(budget.finished({.epoch = 3, .next_batch = 1}));  // of a run that was longer once
  CHECK_FALSE(budget.out_of_time({.epoch = 3, .seconds = 1e9}));
  CHECK(budget.progress({.epoch = 1, .next_batch = 3}) == 0.5);
  CHECK(budget.progress({.epoch = 4}) == 1);
}

TEST_CASE("time ends a run inside an epoch, which then is over") {
  const RunBudget budget({.hours = 0.5}, 6);
  CHECK_FALSE(budget.epoch_is_over({.next_batch = 2, .seconds = 1799}));
  CHECK(budget.epoch_is_over({.next_batch = 2, .seconds = 1800}));
  CHECK_FALSE(budget.finished({.epoch = 4, .next_batch = 2, .seconds = 1800}));
  CHECK(budget.finished({.epoch = 5, .seconds = 1800}));
  CHECK_FALSE(budget.finished({.epoch = 100000, .seconds = 1799}));
  CHECK(budget.progress({.epoch = 100000, .seconds = 450}) == 0.25);
}

TEST_CASE("of epochs and time the one that is nearer its end counts") {
  const RunBudget budget({.epochs = 4, .hours = 1}, 6);
  CHECK(budget.progress({.epoch = 1, .seconds = 1800}) == 0.5);
  CHECK(budget.progress({.epoch = 3, .seconds = 1800}) == 0.75);
  CHECK(budget.finished({.epoch = 4, .seconds = 1}));
  CHECK(budget.finished({.epoch = 1, .seconds = 3600}));
}

TEST_CASE("patience runs out so many epochs after the best one; a run without validation has endless patience") {
  const RunBudget budget({.epochs = 100, .patience = 2}, 6);
  CHECK_FALSE(budget.finished({.epoch = 6, .best_epoch = 4}));
  CHECK(budget.finished({.epoch = 7, .best_epoch = 4}));
  CHECK_FALSE(budget.finished({.epoch = 7, .next_batch = 1, .best_epoch = 4}));
  CHECK_FALSE(budget.finished({.epoch = 50, .best_epoch = -1}));
  // Before it ends a run between two validations, there is one more.
  const RunBudget seldom({.epochs = 100, .patience = 3, .val_every = 10}, 6);
  CHECK_FALSE(seldom.validates_at_end({.epoch = 11, .next_batch = 6, .best_epoch = 9}));
  CHECK(seldom.validates_at_end({.epoch = 12, .next_batch = 6, .best_epoch = 9}));
  CHECK(seldom.finished({.epoch = 13, .best_epoch = 9}));
  CHECK_FALSE(seldom.finished({.epoch = 13, .best_epoch = 12}));
  CHECK_FALSE(RunBudget({.epochs = 100}, 6).finished({.epoch = 50, .best_epoch = 4}));
}

TEST_CASE("the learning rate of a timed run follows the seconds that it is told") {
  const LrSchedule linear{.shape = LrSchedule::Shape::kLinear, .final_factor = 0, .warmup_steps = 0};
  const RunBudget timed({.hours = 1, .schedule = linear}, 6);
  CHECK(timed.lr_factor({.epoch = 7, .next_batch = 3, .steps = 45, .seconds = 900}) == 0.75);
  CHECK(timed.lr_factor({.seconds = 3600}) == 0);
  const RunBudget by_epochs({.epochs = 2, .schedule = linear}, 6);
  CHECK(by_epochs.lr_factor({.epoch = 1, .next_batch = 3, .seconds = 900}) == 0.25);
}

TEST_CASE("a run is validated every val_every epochs, and at its end") {
  const RunBudget budget({.epochs = 5, .val_every = 2}, 6);
  for (const std::int64_t epoch : {0, 2}) CHECK_FALSE(budget.validates_at_end({.epoch = epoch, .next_batch = 6}));
  for (const std::int64_t epoch : {1, 3, 4}) CHECK(budget.validates_at_end({.epoch = epoch, .next_batch = 6}));
  CHECK_FALSE(budget.validates_inside({.epoch = 1, .next_batch = 4, .steps = 10}));
  const RunBudget timed({.hours = 1, .val_every = 1000}, 6);
  CHECK(timed.validates_at_end({.epoch = 4, .next_batch = 3, .seconds = 3600}));
  for (const std::int64_t epoch : {0, 71, 72, 500}) {
    CHECK_FALSE(timed.validates_at_end({.epoch = epoch, .next_batch = 6, .seconds = 10}));
  }
}

TEST_CASE("by steps a run is validated inside epochs too, and then not by epochs; the same weights only once") {
  const RunBudget budget({.epochs = 5, .val_every = 1, .val_steps = 4}, 6);
  CHECK(budget.validates_inside({.next_batch = 4, .steps = 4}));
  CHECK_FALSE(budget.validates_inside({.next_batch = 4, .steps = 4, .validated_step = 4}));
  CHECK_FALSE(budget.validates_inside({.next_batch = 5, .steps = 5}));
  CHECK_FALSE(budget.validates_inside({.next_batch = 1, .steps = 0}));               // the first step was refused
  CHECK_FALSE(budget.validates_inside({.epoch = 2, .next_batch = 0, .steps = 12}));  // that was the last epoch's end
  CHECK_FALSE(budget.validates_at_end({.epoch = 0, .next_batch = 6, .steps = 6}));
  CHECK(budget.validates_at_end({.epoch = 1, .next_batch = 6, .steps = 12}));
  CHECK(budget.validates_at_end({.epoch = 4, .next_batch = 6, .steps = 30}));
}

TEST_CASE("validations that were fitted to a run's time keep to it when the machine turns out faster or slower") {
  const auto validated = [](BudgetOptions options, double step_seconds) {  // after so many steps, 100 an epoch
    options.hours = 1;
    const RunBudget budget(options, /*batches_per_epoch=*/100);
    std::vector<std::int64_t> steps;
    RunPosition at;
    while (!budget.finished(at)) {
      const auto validate = [&](bool due) {
        if (due) steps.push_back(at.validated_step = at.steps);
      };
      for (at.next_batch = 0; !budget.epoch_is_over(at);) {
        validate(budget.validates_inside(at));
        at.seconds += at.steps++ == 0 ? 9 * step_seconds : step_seconds;  // the first is slow
        ++at.next_batch;
      }
      validate(budget.validates_at_end(at));
      at.next_batch = 0;
      ++at.epoch;
    }
    return steps;
  };
  const BudgetOptions by_steps{.val_steps = 60, .val_share = 0.25}, by_epochs{.val_every = 2, .val_share = 0.25};
  for (const double step_seconds : {0.5, 15.0, 60.0}) {
    INFO(step_seconds);
    const std::vector<std::int64_t> steps = validated(by_steps, step_seconds);
    CHECK(steps.size() >= 3);
    CHECK(steps.size() <= 5);
    CHECK(step_seconds * static_cast<double>(steps.front() + 8) >= 900);
  }
  CHECK(validated(by_epochs, 0.5).size() == 5);  // 72 epochs
  CHECK(validated(by_epochs, 12).size() == 3);   // three, each of a third
  CHECK(validated({.val_every = 2}, 0.5).size() == 36);
}

TEST_CASE("what remains of a run is told in steps, or in seconds where the time ends it") {
  const RunBudget budget({.epochs = 3}, 6, /*accumulate=*/4);  // steps of 4 and 2 batches
  CHECK(budget.steps_per_epoch() == 2);
  CHECK(budget.remaining({.epoch = 1, .next_batch = 4}).steps == 3);
  CHECK(budget.remaining({.epoch = 1, .next_batch = 4}).seconds == -1);
  const RunBudget timed({.epochs = 3, .hours = 1}, 6);
  CHECK(timed.remaining({.seconds = 600}).seconds == 3000);
  CHECK(timed.remaining({.seconds = 6000}).seconds == 0);
}

TEST_CASE("what remains of a run has validations, the one at its end among them") {
  const auto left = [](const BudgetOptions& options, const RunPosition& at) {
    return RunBudget(options, /*batches_per_epoch=*/10).remaining(at).validations;
  };
  CHECK(left({.epochs = 4}, {}) == 4);
  CHECK(left({.epochs = 4}, {.epoch = 3, .next_batch = 10}) == 1);
  CHECK(left({.epochs = 4}, {.epoch = 4}) == 0);
  CHECK(left({.epochs = 4, .val_every = 3}, {.epoch = 1}) == 2);
  CHECK(left({.epochs = 4, .val_steps = 15}, {.steps = 1, .validated_step = 0}) == 3);
  const RunPosition due{.epoch = 1, .next_batch = 5, .steps = 15};
  CHECK(left({.epochs = 4, .val_steps = 15}, due) == 3);
  RunPosition done = due;
  done.validated_step = 15;
  CHECK(left({.epochs = 4, .val_steps = 15}, done) == 2);
  // 3600 s for 15 steps in 900: 45 more, 4.5 epochs
  CHECK(left({.hours = 1.25}, {.epoch = 1, .next_batch = 5, .steps = 15, .seconds = 1125}) == 5);
  CHECK(left({.hours = 1}, {}) == 0);  // nothing is known yet
}

TEST_CASE("a run that nothing would end is refused") {
  CHECK_THROWS_AS(RunBudget({}, 6), ConfigError);
  CHECK_THROWS_AS(RunBudget({.epochs = 1}, 0), InternalError);
}

TEST_CASE("a switch-off is a share of the run up to 1 and an epoch above") {
  CHECK_FALSE(switch_off_reached(1, 1000, 1.0));
  CHECK_FALSE(switch_off_reached(0.9, 5, 0.89));
  CHECK(switch_off_reached(0.9, 5, 0.9));
  CHECK(switch_off_reached(0, 0, 0));
  CHECK_FALSE(switch_off_reached(71, 70, 0.99));
  CHECK(switch_off_reached(71, 71, 0.1));
}

}  // namespace rtdetr
