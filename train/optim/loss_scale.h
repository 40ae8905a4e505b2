#pragma once

#include <torch/types.h>

#include "train/optim/optimizer.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// float16 has no number between 0 and 6e-8, and most gradients are smaller: the loss is multiplied by a factor before
/// the backward pass and the gradients are divided by it behind it (Micikevicius et al. 2018, arXiv 1710.03740 §3.2).
/// A factor for which they are too large shows in gradients that are not finite: that step is refused, and the factor
/// halved. After 2000 steps that were not it is doubled. PyTorch's GradScaler, in numbers too.
///
/// Factor and count lie where the step is computed, and so does what decides: the host waits for nothing.
class LossScale {
 public:
  /// Where the factor has come down to less, it is not the factor that is wrong.
  static constexpr double kSmallest = 1;

  explicit LossScale(torch::Device device);
  torch::Tensor scaled(const torch::Tensor& loss) const { return loss * factor_; }
  /// Divides all gradients.
  void unscale(Optimizer& optimizer) const;
  /// Ends a step. @param refused  float32 scalar on the device: 1 = a number was not finite, in whichever process
  void update(const torch::Tensor& refused);
  /// Float32 scalar on the device.
  const torch::Tensor& factor() const { return factor_; }
  /// Adds loss_scale.factor and loss_scale.good_steps.
  void register_state(StateRegistry& registry);

 private:
  torch::Tensor factor_;
  torch::Tensor good_steps_;  ///< int32 scalar: applied since the factor was last changed
};

}  // namespace rtdetr
