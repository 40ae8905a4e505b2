#pragma once

#include <vector>

#include "train/optim/optimizer.h"

namespace rtdetr {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
};

/// AdamW (Loshchilov & Hutter 2019): moments and step counters of each parameter; at::_fused_adamw_, CPU and CUDA.
class AdamW : public Optimizer {
 public:
  /// @throws InternalError  if a parameter is in two groups
  explicit AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {});

  void step(const StepRates& rates, const torch::Tensor& refused = {}) override;
  /// Adds `adamw.exp_avg.<name>`, `adamw.exp_avg_sq.<name>`, `adamw.step.<name>`.
  void register_state(StateRegistry& registry) override;

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

  AdamWOptions options_;
  std::vector<std::vector<Moments>> moments_;  ///< by group and parameter
};

}  // namespace rtdetr
