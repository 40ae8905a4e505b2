#pragma once

#include <map>
#include <optional>
#include <string>

#include "data/dataset/dataset.h"
#include "data/loader/loader.h"
#include "models/graph/model.h"
#include "train/config/options.h"
#include "train/config/settings.h"
#include "train/evaluation/evaluator.h"
#include "train/optim/param_groups.h"
#include "train/optim/precision.h"
#include "train/run/run_checkpoint.h"

namespace rtdetr {

/// A training run, ready to start: everything that settings and files decide, read and checked.
struct Experiment {
  Settings settings;  ///< as they act: criterion= settled, fitted to the run's length
  ImageSize size;
  torch::Device device = torch::kCPU;  ///< where both models lie, and every step and validation is computed
  Dataset train;
  std::optional<Dataset> val;       ///< absent with val=false, or when the data set has no such split
  DetectionModel model{nullptr};    ///< with its initial weights, channels-last
  DetectionModel average{nullptr};  ///< the EMA's instance of it
  std::int64_t frozen = 0;          ///< parameters that freeze= leaves untrained
  std::vector<ParameterGroup> groups;
  PrecisionChoice precision;
  RunIdentity identity;  ///< what a continued run must share with this one; of the settings as they were given
  std::string told;      ///< the settings that the run was given, before any is fitted (continued_run.h)
  std::map<std::string, std::string> fitted;  ///< keys whose value was fitted to the run's length (run_length.h)
  double lifted_time = 0;  ///< hours of time= that are used up and no longer count, since epochs= makes the run longer

  std::int64_t batches_per_epoch() const;
  std::int64_t steps_per_epoch() const;
  std::int64_t pictures_per_step() const;  ///< of all processes; a small data set's batch has all pictures
};

/// @throws ConfigError, DataError, ModelError, CheckpointError
Experiment prepare_experiment(const Settings& settings);
/// The same for a run that is continued: weights= is not read, the file may be gone.
Experiment prepare_to_continue(Settings settings);

/// What freeze= says of this model's parameters, as freeze_parameters takes it.
std::string frozen_names(const Experiment& experiment);

/// By the recipe's param_groups, or else by shape (param_groups.h). Frozen parameters are in no group.
std::vector<ParameterGroup> make_groups(const Settings& settings, const DetectionModel& model);
TransformOptions training_transforms(const Experiment& experiment);
LoaderOptions training_loader_options(const Experiment& experiment);
EvaluatorOptions evaluator_options(const Experiment& experiment);

}  // namespace rtdetr
