#include "train/loop/train_state.h"

#include "train/optim/freeze.h"

namespace rtdetr {

TrainState::TrainState(const TrainInput& input, const TrainOptions& options, ProcessGroup& group)
    : optimizer(input.groups, options.adamw),
      ema(*input.model, *input.average, options.ema),
      step(input.model, optimizer, ema, options.step, group) {
  DetectionModel model = input.model;
  model->train();
  if (!options.freeze.empty()) hold_frozen_statistics(*model, options.freeze);
  registry.add_module("model.", *model);
  optimizer.register_state(registry);
  ema.register_state(registry);
}

}  // namespace rtdetr
