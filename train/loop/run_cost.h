#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/config/run_length.h"
#include "train/loop/experiment.h"
#include "train/loop/trial.h"

namespace rtdetr {

/// What a run would cost, measured: `train … check=true`.
struct RunCost {
  double step_seconds = 0;  ///< one optimizer step at the run's own size, its batches and reading them included
  double peak_mib = 0;      ///< largest resident size, a step at the largest multi-scale size included
  std::optional<double> device_peak_mib;  ///< what tensors took on the GPU, in the same steps; empty on the CPU
  std::int64_t largest_side = 0;          ///< pixels, of that step
  RunLength length;                       ///< of the whole run
  std::vector<FittedValue> fitted;        ///< what that length changes in the settings
  ThreadTrial threads;
  std::int64_t checkpoint_mib = 0;  ///< of one last.safetensors; a run keeps two and writes a third

  std::int64_t steps() const { return std::llround(length.steps); }
};

/// Takes three trial steps, one at the largest size and two at the run's own, and fits the experiment's settings to the
/// run's length.
/// @throws DataError  for pictures that cannot be read
RunCost measure_run_cost(Experiment& experiment);

/// What the trial found, for people: the last lines of the plan.
std::string describe(const RunCost& cost, const Experiment& experiment);
nlohmann::ordered_json to_json(const RunCost& cost, const Experiment& experiment);

}  // namespace rtdetr
