#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/image/image_size.h"
#include "data/dataset/dataset.h"
#include "data/loader/loader_options.h"
#include "data/transforms/transforms.h"
#include "models/graph/model.h"
#include "train/evaluation/evaluator.h"
#include "train/loop/augmentation_windows.h"
#include "train/loop/last_stage.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_step.h"
#include "train/optim/ema.h"
#include "train/optim/make_optimizer.h"
#include "train/run/run_checkpoint.h"

namespace rtdetr {

/// What is trained, and on what. The data sets outlive the trainer.
struct TrainInput {
  DetectionModel model{nullptr};
  DetectionModel average{nullptr};     ///< a second instance of the same model: becomes the EMA
  std::vector<ParameterGroup> groups;  ///< the parameters that are trained, e.g. group_by_shape
  const Dataset* train = nullptr;
  const Dataset* val = nullptr;  ///< nullptr: the run is not validated, and its best weights are the last
};

/// When a run's state is written beside the ends of its epochs.
struct SaveOptions {
  double save_every = 300;       ///< seconds of training between two saves inside an epoch; 0 = none
  std::int64_t save_steps = 0;   ///< the same in steps, whichever comes first; 0 = none
  std::int64_t save_period = 0;  ///< epochs between two epoch-N.safetensors; 0 = none
  bool check_space = true;       ///< a run without room for its checkpoints does not start
};

/// How it is trained. A field that no comment stands at is that of its own header.
struct TrainOptions {
  BudgetOptions budget;
  std::int64_t accumulate = 1;  ///< batches of one optimizer step
  StepOptions step;
  OptimizerOptions optimizer;
  EmaOptions ema;
  double lr0 = 1e-4;   ///< the rate that log.jsonl tells: at a factor of 1 of the schedule; each group has its own
  std::string freeze;  ///< normalisation layers whose parameters it matches hold their statistics (freeze.h)
  TransformOptions transforms;
  LoaderOptions loader;  ///< but rank and world, which are the process group's
  WindowOptions windows;
  LastStageOptions last_stage;
  EvaluatorOptions evaluation;
  SaveOptions save;
  std::string command;  ///< that started the run, for its log
  RunFacts facts;  ///< identity, fitted, lifted_time, settings: told in every checkpoint; the rest is the trainer's
};

/// A model with its initial weights and a second instance for its average, which asks for no gradients; both in
/// channels-last memory.
std::pair<DetectionModel, DetectionModel> build_with_average(const ModelSpec& spec, const BuildOptions& options);

// What a program without settings trains with; every field may be changed after.
/// @param spec   is built for the classes of `train`; all its parameters are trained, grouped by shape
/// @param build  num_classes is that of the data
/// @throws ModelError
TrainInput train_input(const ModelSpec& spec, const Dataset& train, const Dataset* val = nullptr,
                       BuildOptions build = {}, const GroupDefaults& groups = {});
/// The defaults, and what several of them must agree on: size of the pictures, batch, seed, the model's stride, the
/// groups' rate, and the loss that the model was published with. The budget is still to be set.
TrainOptions train_options(const TrainInput& input, const ImageSize& size, std::int64_t batch, std::uint64_t seed = 0);

struct Settings;
WindowOptions window_options(const Settings& settings);

// The same of what settings and files decide.
struct Experiment;
TrainInput train_input(const Experiment& experiment);
TrainOptions train_options(const Experiment& experiment);

}  // namespace rtdetr
