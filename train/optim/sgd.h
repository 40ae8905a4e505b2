#pragma once

#include <vector>

#include "train/optim/optimizer.h"

namespace rtdetr {

struct SgdOptions {
  double momentum = 0.937;
  double warmup_momentum = 0.8;  ///< where the momentum begins; it reaches `momentum` as the warm-up ends
};

/// Gradient descent with Nesterov's momentum as PyTorch's SGD has it (Sutskever et al. 2013, with the rate outside
/// of the buffer): g' = g + decay · w, b = momentum · b + g', w -= rate · (g' + momentum · b). One buffer for each
/// parameter; at::_fused_sgd_, CPU and CUDA.
class Sgd : public Optimizer {
 public:
  /// @throws InternalError  if a parameter is in two groups
  explicit Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options = {});

  void step(const StepRates& rates, const torch::Tensor& refused = {}) override;
  /// Adds `sgd.momentum.<name>`.
  void register_state(StateRegistry& registry) override;

 private:
  SgdOptions options_;
  std::vector<std::vector<torch::Tensor>> buffers_;  ///< by group and parameter
};

}  // namespace rtdetr
