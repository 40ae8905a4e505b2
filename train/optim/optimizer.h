#pragma once

#include <vector>

#include "train/optim/param_groups.h"
#include "train/run/state_registry.h"

namespace rtdetr {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
};

/// AdamW (Loshchilov & Hutter 2019) over parameter groups, with its state held here: moments and step counters are
/// plain tensors under the parameter's name. One fused pass per group (at::_fused_adamw_, CPU and CUDA).
class AdamW {
 public:
  /// @throws InternalError  if a parameter is in two groups
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {});

  /// Joint L2 norm of all gradients, a scalar where they lie; not finite as soon as one of them is not.
  torch::Tensor gradient_norm() const;
  /// @param factor  a scalar where the gradients lie
  void scale_gradients(const torch::Tensor& factor);
  /// One update at `lr_factor` times each group's rate. Parameters without a gradient are left alone.
  /// @param refused  float32 scalar where the parameters lie: 1 = nothing is changed, 0 = the update is made; undefined
  ///                 = made. The host need not know which: nothing here waits for a device.
  void step(double lr_factor, const torch::Tensor& refused = {});
  /// Drops all gradients: the next backward writes its own buffers instead of adding to zeros.
  void zero_grad();

  const std::vector<ParameterGroup>& groups() const { return groups_; }
  /// Adds `adamw.exp_avg.<name>`, `adamw.exp_avg_sq.<name>`, `adamw.step.<name>`.
  void register_state(StateRegistry& registry);

 private:
  struct Moments {
    torch::Tensor exp_avg, exp_avg_sq;
    torch::Tensor step;  ///< float scalar, as the fused kernel wants it
  };
  /// What the fused kernel walks: of the parameters that have a gradient.
  struct Update {
    std::vector<torch::Tensor> values, grads, exp_avgs, exp_avg_sqs, steps;
  };
  static Update update_of(const ParameterGroup& group, const std::vector<Moments>& moments);
  std::vector<torch::Tensor> gradients() const;

  AdamWOptions options_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Moments>> moments_;  ///< by group and parameter
};

/// Scales the gradients to a joint norm of at most `max_norm`: factor max_norm / (norm + 1e-6), at most 1.
/// @param norm      what gradient_norm() said
/// @param max_norm  0 = no clipping
void clip_gradients(AdamW& optimizer, const torch::Tensor& norm, double max_norm);

}  // namespace rtdetr
