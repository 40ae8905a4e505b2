#pragma once

#include <filesystem>
#include <string>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "tests/support/stop_when.h"
#include "train/loop/experiment.h"
#include "train/loop/run_start.h"
#include "train/loop/trainer.h"

namespace rtdetr::test {

/// Trains in this process and one thread, from the checkpoint of that name if there is one, until the end or until the
/// trainer has asked `asks` times whether to stop.
inline RunOutcome train_here(const Settings& settings, const std::string& name, int asks = 1 << 30) {
  at::set_num_threads(1);
  const RunFolder folder(std::filesystem::path(settings.project) / name);
  const auto checkpoint = load_run(folder);
  Experiment experiment = prepare_experiment(settings);
  if (checkpoint) take_over(experiment, *checkpoint);
  Trainer trainer(train_input(experiment), train_options(experiment), folder);
  StopWhen stop([&asks] { return --asks < 0; });
  trainer.observe(stop);
  if (checkpoint) trainer.resume(*checkpoint);
  return trainer.fit();
}

}  // namespace rtdetr::test
