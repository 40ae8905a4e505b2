#pragma once

#include <memory>

#include "train/loop/train_options.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// A model with all that trains it, put together once. `registry` has the state of model, optimizer and average;
/// whoever remembers more adds it there.
struct TrainState {
  /// Puts the model into training mode; the average becomes its copy.
  /// @param group  the processes that take every step together; outlives this object
  TrainState(const TrainInput& input, const TrainOptions& options, ProcessGroup& group = world_of_one());
  TrainState(const TrainState&) = delete;
  TrainState& operator=(const TrainState&) = delete;

  std::unique_ptr<Optimizer> optimizer;
  Ema ema;
  TrainStep step;
  StateRegistry registry;
};

}  // namespace rtdetr
