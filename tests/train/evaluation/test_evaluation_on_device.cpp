#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "tests/support/counting_device.h"
#include "tests/support/device_log.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/evaluation/evaluator.h"
#include "train/loop/experiment.h"

namespace rtdetr {

TEST_CASE("an evaluation waits for its device once a batch, whatever layers and pictures there are") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  Experiment experiment = prepare_experiment(test::make_micro_run(temp.path()));
  EvaluatorOptions options{.height = 64, .width = 64, .batch = 5, .workers = 1};
  const auto wanted = evaluate(experiment.model, *experiment.val, options);
  options.device = test::counting_device();
  test::move_to(*experiment.model, options.device);
  const auto batches = (experiment.val->pictures.size() + 4) / 5;
  REQUIRE(batches > 1);
  evaluate(experiment.model, *experiment.val, options);  // fills the tables
  const test::DeviceLog log;
  const auto found = evaluate(experiment.model, *experiment.val, options);
  CHECK(log.waits().size() == batches);
  REQUIRE(found->detections.size() == wanted->detections.size());
  for (std::size_t i = 0; i < found->detections.size(); ++i)
    CHECK(found->detections[i].score == Approx(wanted->detections[i].score).epsilon(1e-4));
}

}  // namespace rtdetr
