#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>

#include "core/ops/batch_norm.h"
#include "models/layers/basic.h"
#include "models/layers/init.h"

namespace rtdetr {

struct BatchNormOptions {
  double eps = 1e-5, momentum = 0.1;
  /// Fixed statistics and scale: all four tensors are buffers, and there is no `num_batches_tracked`.
  bool frozen = false;
};

/// Keys `weight`, `bias`, `running_mean`, `running_var` [C], `num_batches_tracked`.
class BatchNormImpl : public torch::nn::Module, public InitializesWeights {
 public:
  BatchNormImpl(std::int64_t channels, const BatchNormOptions& options);
  /// act(BN(x)). In training the two are one operator where core/ops/batch_norm.h has it.
  Tensor forward(const Tensor& x, Activation activation = Activation::kNone);
  void init_weights(const WeightDraws& draws) override;
  double eps() const { return options_.eps; }
  /// Whether the batch's own statistics are used, and move the running ones.
  bool measures() const { return is_training() && !options_.frozen; }
  /// From now on the batch is that of all processes together ("SyncBN"). @param reduce  empty = this process' own
  void join_batches(SumReducer reduce) { reduce_ = std::move(reduce); }
  /// From now on somebody else counts in `num_batches_tracked`.
  void leave_counting() { counts_ = false; }

  Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 private:
  BatchNormOptions options_;
  SumReducer reduce_;
  bool counts_ = true;
};
TORCH_MODULE(BatchNorm);

/// Counts the batches of all norms of a model in one operation: on a GPU each would be a launch of its own.
class BatchCounter {
 public:
  BatchCounter() = default;
  /// Every norm below `root`, which may be under construction, leaves the counting to this object.
  explicit BatchCounter(const torch::nn::Module& root);
  /// One pass, in those that measure.
  void count();

 private:
  std::vector<std::shared_ptr<BatchNormImpl>> norms_;
};

/// Every BatchNorm below `root` joins its batches from now on (BatchNormImpl::join_batches), frozen ones excepted.
void join_batches(torch::nn::Module& root, const SumReducer& reduce);

/// Running statistics below `root` that a training pass moves, as they are now: averages of what each process has seen.
std::vector<Tensor> moving_statistics(torch::nn::Module& root);

}  // namespace rtdetr
