#include "train/loop/run_cost.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/loop/run_summary.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;

TEST_CASE("the plan of a run says its length, time, memory and disk, and writes nothing") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.accumulate = 4;  // 6 batches an epoch: steps of 4 and 2
  Experiment experiment = prepare_experiment(settings);
  const RunCost cost = measure_run_cost(experiment);
  CHECK(cost.steps() == 6);
  CHECK(cost.step_seconds > 0);
  CHECK(cost.peak_mib > 50);
  CHECK(cost.largest_side == 96);
  CHECK(cost.checkpoint_mib >= 1);
  CHECK_THAT(describe(cost, experiment), Catch::Contains("for 6 steps") && Catch::Contains("96 pixels"));
  CHECK_THAT(describe(experiment), Catch::Contains("24 pictures (4 without a box), "));
  CHECK(to_json(cost, experiment)["rows"].size() == 7);
  CHECK_FALSE(std::filesystem::exists(temp / "runs"));
}

TEST_CASE("the plan of a run that ends by the clock has as many steps as fit, and the settings for so many") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 1;
  settings.multi_scale = 0;
  settings.warmup_steps = 1'000'000'000;
  Experiment experiment = prepare_experiment(settings);
  const RunCost cost = measure_run_cost(experiment);
  CHECK(static_cast<double>(cost.steps()) == Approx(3600 / cost.step_seconds).margin(1));
  CHECK(experiment.settings.warmup_steps == Approx(0.1 * cost.length.steps).margin(1));
  CHECK_THAT(describe(cost, experiment),
             Catch::Contains("1:00:00 for about ") && Catch::Contains("warmup_steps 1000000000 -> "));
  CHECK(to_json(cost, experiment)["fitted"].contains("warmup_steps"));
  CHECK(cost.largest_side == 0);
}

}  // namespace rtdetr
