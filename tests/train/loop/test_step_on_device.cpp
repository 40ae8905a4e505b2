#include <algorithm>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "data/loader/loader.h"
#include "tests/support/counting_device.h"
#include "tests/support/device_log.h"
#include "tests/support/list_launches.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/evaluation/batch_mover.h"
#include "train/loop/experiment.h"
#include "train/loop/train_state.h"

namespace rtdetr {

using test::counting_device;
using test::DeviceLog;

namespace {

Experiment experiment_on(torch::Device device, const Settings& settings) {
  Experiment experiment = prepare_experiment(settings);
  experiment.device = device;
  if (device.is_cpu()) return experiment;
  for (DetectionModel* model : {&experiment.model, &experiment.average}) test::move_to(**model, device);
  return experiment;
}

TrainOptions options_of(const Experiment& experiment) {
  TrainOptions options = train_options(experiment);
  options.step.device = experiment.device;
  options.step.criterion = {};
  return options;
}

struct Bench {
  Experiment experiment;
  TrainState train;

  Bench(torch::Device device, const Settings& settings)
      : experiment(experiment_on(device, settings)), train(train_input(experiment), options_of(experiment)) {}
  std::vector<Batch> batches(int count) const {
    TransformOptions transforms = training_transforms(experiment);
    transforms.augment = false;
    LoaderOptions options = training_loader_options(experiment);
    options.memory = batch_memory(experiment.device);
    Loader loader(experiment.train, transforms, options);
    loader.start(0);
    std::vector<Batch> list;
    for (int i = 0; i < count; ++i) list.push_back(*loader.next());
    return list;
  }
};

}  // namespace

TEST_CASE("a step on another device computes what it computes on the CPU") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  const Settings settings = test::make_micro_run(temp.path());
  Bench here(torch::kCPU, settings), there(counting_device(), settings);
  for (int i = 0; i < 2; ++i) {
    const std::vector<Batch> batches = here.batches(2);
    const StepReport wanted = here.train.step.run(batches, {}, 1), found = there.train.step.run(batches, {}, 1);
    CHECK(found.applied);
    CHECK(found.loss == Approx(wanted.loss).epsilon(1e-4));
    CHECK(found.gradient_norm == Approx(wanted.gradient_norm).epsilon(1e-3));
  }
}

TEST_CASE("a step waits for its device twice: for the costs of matching, and for its numbers when all is queued") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  Bench bench(counting_device(), test::make_micro_run(temp.path()));
  const std::vector<Batch> batches = bench.batches(2);
  bench.train.step.run({&batches[0], 1}, {}, 1);  // fills the tables
  const DeviceLog log;
  bench.train.step.run({&batches[1], 1}, {}, 1);
  CHECK(log.waits() == std::vector<std::string>{"matching: aten::copy_ device to host",
                                                "reading the numbers: aten::copy_ device to host"});
}

TEST_CASE("a list of tensors is as many launches as LibTorch makes of it") {
  const std::vector<torch::Tensor> many(300, torch::ones({2}));
  CHECK(test::list_launches(many, 1) == 3);  // of 110 tensors
  CHECK(test::list_launches(many, 4) == 9);  // of 36
  CHECK(test::list_launches({torch::empty({320 * 65536})}, 1) == 1);
  CHECK(test::list_launches({torch::empty({320 * 65536 + 1})}, 1) == 2);
  CHECK(test::list_launches({torch::empty({0})}, 1) == 0);
}

TEST_CASE("a wait that somebody adds is named with its part") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  Bench bench(counting_device(), test::make_micro_run(temp.path()));
  const std::vector<Batch> batches = bench.batches(1);
  const torch::Tensor weight = bench.experiment.model->parameters().back();
  weight.register_hook([](const torch::Tensor& gradient) { gradient.sum().item<float>(); });
  const DeviceLog log;
  bench.train.step.run(batches, {}, 1);
  const std::vector<std::string> waits = log.waits();
  CHECK(std::count(waits.begin(), waits.end(), "backward: aten::_local_scalar_dense") == 1);
}

}  // namespace rtdetr
