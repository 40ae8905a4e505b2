#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset/dataset.h"
#include "data/dataset/sample.h"
#include "losses/criterion.h"
#include "models/graph/model.h"
#include "train/optim/ema.h"
#include "train/optim/optimizer.h"
#include "train/optim/precision.h"

namespace rtdetr {

struct StepOptions {
  double clip_norm = 0.1;  ///< joint gradient norm; 0 = no clipping
  Precision precision = Precision::kFloat32;
  std::uint64_t seed = 0;  ///< of the denoising noise
  CriterionOptions criterion;
};

/// Names the draws of one step: they depend on nothing else.
struct StepPosition {
  std::int64_t epoch = 0;
  std::int64_t first_batch = 0;  ///< index of the step's first batch in the epoch
};

struct StepReport {
  bool applied = false;      ///< false: a number was not finite, and nothing was changed
  double loss = 0;           ///< sum of all terms
  double gradient_norm = 0;  ///< before clipping
  std::vector<std::pair<std::string, double>> terms;
};

/// One optimizer step as a transaction: forward, losses and backward over all batches, then one decision, then clip,
/// optimizer and EMA together or nothing at all. A refused step also takes back what forward did to the BatchNorm
/// statistics. What is promised of it, and the tests: docs/reliability.md.
class TrainStep {
 public:
  /// All three outlive this object.
  TrainStep(DetectionModel model, AdamW& optimizer, Ema& ema, const StepOptions& options);

  /// @param batches    gradient accumulation: their losses are divided by the boxes of all of them, so k batches of n
  ///                   pictures give the gradient of one batch of k·n
  /// @param lr_factor  what the schedule says for this step
  StepReport run(std::span<const Batch> batches, const StepPosition& position, double lr_factor);

 private:
  CriterionResult losses_of(const Batch& batch, double num_boxes, std::uint64_t noise_seed);
  void apply(const StepReport& report, double lr_factor);
  void remember_statistics();
  void take_back_statistics();

  DetectionModel model_;
  AdamW& optimizer_;
  Ema& ema_;
  StepOptions options_;
  std::vector<torch::Tensor> statistics_, remembered_;  ///< the model's buffers, and as they were before the step
};

/// What a refused step says: its numbers, and the ids of its pictures.
/// @param rate  learning rate of the step
std::string describe_refused(const StepReport& report, double rate, std::span<const Batch> batches,
                             const Dataset& dataset);

}  // namespace rtdetr
