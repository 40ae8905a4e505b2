#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/micro_run.h"
#include "tests/support/stop_when.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "train/loop/experiment.h"
#include "train/loop/trainer.h"

/// Processes that train together hold the same numbers, and are compared before any of it is saved.
namespace rtdetr {
namespace {

using ModelOf = DetectionModel Experiment::*;

/// Two ranks, of which the second has the lowest bit of a weight turned after step 6, where a save is due.
void train_with_a_flipped_bit(const Settings& settings, const RunFolder& run, ModelOf model,
                              const std::string& weight) {
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    const Experiment experiment = prepare_experiment(settings);
    Trainer trainer(train_input(experiment), train_options(experiment), run, group);
    int steps = 0;
    test::StopWhen flip([&] {
      if (++steps == 6 && group.rank() == 1)
        *static_cast<std::uint8_t*>((experiment.*model)->named_parameters()[weight].data_ptr()) ^= 1;
      return false;
    });
    trainer.observe(flip);
    trainer.fit();
  });
}

}  // namespace

TEST_CASE("ranks that part by one bit end before the next save, and are told which rank and which tensor") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  Settings settings = test::make_micro_run(temp.path());
  settings.save_steps = 3;
  const std::string weight = prepare_experiment(settings).model->named_parameters().back().key();
  for (const auto& [prefix, model] : {std::pair{"model.", &Experiment::model}, {"ema.", &Experiment::average}}) {
    const RunFolder run(temp.path() / "runs" / prefix);
    try {
      train_with_a_flipped_bit(settings, run, model, weight);
      FAIL("nobody found it");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::kPeer);
      CHECK_THAT(error.what(), Catch::Contains("'" + (prefix + weight) + "' of rank 1 is another"));
    }
    CHECK(load_run(run)->state.at("run.steps").item<std::int64_t>() == 3);  // all there is on the disk
  }
}

}  // namespace rtdetr
