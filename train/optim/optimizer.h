#pragma once

#include <vector>

#include "train/optim/lr_schedule.h"
#include "train/optim/param_groups.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// What updates the weights: parameter groups and, in the class below this one, what it remembers of their gradients,
/// as plain tensors under the parameter's name. One fused pass per group.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Joint L2 norm of all gradients, a scalar where they lie; not finite as soon as one of them is not.
  torch::Tensor gradient_norm() const;
  /// @param factor  a scalar where the gradients lie
  void scale_gradients(const torch::Tensor& factor);
  /// One update at each group's rate (ParameterGroup::rate). Parameters without a gradient are left alone.
  /// @param refused  float32 scalar where the parameters lie: 1 = nothing is changed, 0 = the update is made; undefined
  ///                 = made. The host need not know which: nothing here waits for a device.
  virtual void step(const StepRates& rates, const torch::Tensor& refused = {}) = 0;
  /// Drops all gradients: the next backward writes its own buffers instead of adding to zeros.
  void zero_grad();

  const std::vector<ParameterGroup>& groups() const { return groups_; }
  /// Adds what is remembered of each parameter.
  virtual void register_state(StateRegistry& registry) = 0;

 protected:
  /// @throws InternalError  if a parameter is in two groups
  explicit Optimizer(std::vector<ParameterGroup> groups);

 private:
  std::vector<torch::Tensor> gradients() const;

  std::vector<ParameterGroup> groups_;
};

/// The gradient as a fused kernel can walk it beside its parameter: they walk all as flat memory, so that layouts must
/// agree.
torch::Tensor gradient_like(const torch::Tensor& value);
/// Fused kernels do not count their writes, which tables derived from a weight go by (layers/derived_table.h).
void count_writes(const std::vector<torch::Tensor>& values);

/// Scales the gradients to a joint norm of at most `max_norm`: factor max_norm / (norm + 1e-6), at most 1.
/// @param norm      what gradient_norm() said
/// @param max_norm  0 = no clipping
void clip_gradients(Optimizer& optimizer, const torch::Tensor& norm, double max_norm);

}  // namespace rtdetr
