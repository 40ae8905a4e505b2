#include "train/loop/training_data.h"

#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/loop/experiment.h"

namespace rtdetr {

TEST_CASE("batches that were looked at ahead of their step are those of the step, to its epoch's end and beyond") {
  const test::TemporaryFolder temp;
  const Experiment experiment = prepare_experiment(test::make_micro_run(temp.path()));
  TrainOptions options = train_options(experiment);
  options.accumulate = 4;  // of six batches: steps of four and of two
  TrainingData plain(experiment.train, options, world_of_one()), ahead(experiment.train, options, world_of_one());
  RunPosition at;
  for (at.epoch = 0; at.epoch < 2; ++at.epoch) {
    at.next_batch = 0;
    plain.start(at, 0);
    ahead.start(at, 0);
    while (at.next_batch < plain.batches_per_epoch()) {
      const auto expected = plain.next_step(at).batches, found = ahead.next_step(at).batches;
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(std::equal(found[i].images.begin(), found[i].images.end(), expected[i].images.begin(),
                         expected[i].images.end()));
      }
      at.next_batch += static_cast<std::int64_t>(found.size());
      const auto left = std::min<std::int64_t>(options.accumulate, plain.batches_per_epoch() - at.next_batch);
      while (std::ssize(ahead.look_ahead()) < left) std::this_thread::yield();
      CHECK(std::ssize(ahead.look_ahead()) == left);
    }
  }
}

}  // namespace rtdetr
