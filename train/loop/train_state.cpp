#include "train/loop/train_state.h"

#include "core/distributed/shared_state.h"
#include "models/layers/module_tree.h"
#include "train/optim/freeze.h"

namespace rtdetr {
namespace {

/// Ranks build their models from one seed; that they are alike is seen to before anything is derived from them.
const torch::nn::Module& shared(const DetectionModel& model, ProcessGroup& group) {
  share_state(group, named_state(*model));
  return *model;
}

}  // namespace

TrainState::TrainState(const TrainInput& input, const TrainOptions& options, ProcessGroup& group)
    : optimizer(make_optimizer(input.groups, options.optimizer)),
      ema(shared(input.model, group), *input.average, options.ema),
      step(input.model, *optimizer, ema, options.step, group) {
  DetectionModel model = input.model;
  model->train();
  if (!options.freeze.empty()) hold_frozen_statistics(*model, options.freeze);
  registry.add_module("model.", *model);
  optimizer->register_state(registry);
  ema.register_state(registry);
  step.register_state(registry);
}

}  // namespace rtdetr
