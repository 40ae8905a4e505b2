#include "train/optim/freeze.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/loop/experiment.h"
#include "train/loop/trainer.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;

TEST_CASE("what freeze= names keeps its bits, statistics included; the rest is trained") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  settings.val = false;
  settings.freeze = GENERATE("^model\\.[0-4]\\.", "5");
  Experiment experiment = prepare_experiment(settings);
  TensorMap before;
  for (const auto& item : experiment.model->named_parameters()) before[item.key()] = item.value().clone();
  for (const auto& item : experiment.model->named_buffers()) before[item.key()] = item.value().clone();
  const RunFolder folder(temp / "runs/exp");
  Trainer(train_input(experiment), train_options(experiment), folder).fit();

  int frozen = 0, trained = 0;
  const auto compare = [&](const std::string& name, const torch::Tensor& now) {
    const bool named = std::string("01234").find(name.at(6)) != std::string::npos && name.at(7) == '.';
    if (named) CHECK(torch::equal(now, before.at(name)));
    if (named) ++frozen;
    if (!named && !torch::equal(now, before.at(name))) ++trained;
  };
  for (const auto& item : experiment.model->named_parameters()) compare(item.key(), item.value());
  for (const auto& item : experiment.model->named_buffers()) compare(item.key(), item.value());
  CHECK(frozen >= 5 * 5);
  CHECK(trained > 50);
}

TEST_CASE("freeze= that matches nothing, everything, or is no pattern is refused") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.freeze = "backbonee";
  CHECK_THROWS_WITH(prepare_experiment(settings), Catch::Contains("no parameter's name contains 'backbonee'"));
  settings.freeze = ".";
  CHECK_THROWS_WITH(prepare_experiment(settings), Catch::Contains("nothing is left to train"));
  settings.freeze = "100";
  CHECK_THROWS_WITH(prepare_experiment(settings), Catch::Contains("rows of the model's YAML"));
  settings.freeze = "(";
  CHECK_THROWS_AS(prepare_experiment(settings), ConfigError);
}

}  // namespace rtdetr
