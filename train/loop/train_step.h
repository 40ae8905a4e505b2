#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/precision.h"
#include "core/distributed/gradient_reducer.h"
#include "core/distributed/process_group.h"
#include "data/dataset/dataset.h"
#include "data/dataset/sample.h"
#include "losses/criterion.h"
#include "models/graph/model.h"
#include "train/evaluation/batch_mover.h"
#include "train/optim/ema.h"
#include "train/optim/loss_scale.h"
#include "train/optim/lr_schedule.h"
#include "train/optim/optimizer.h"

namespace rtdetr {

struct StepOptions {
  double clip_norm = 0.1;  ///< joint gradient norm; 0 = no clipping
  Precision precision = Precision::kFloat32;
  torch::Device device = torch::kCPU;  ///< where model, optimizer and average lie; batches go there
  std::uint64_t seed = 0;              ///< of the denoising noise
  bool sync_bn = true;                 ///< BatchNorm over the pictures of all processes together
  CriterionOptions criterion;
};

/// Names the draws of one step: they depend on nothing else.
struct StepPosition {
  std::int64_t epoch = 0;
  std::int64_t first_batch = 0;  ///< index of the step's first batch in the epoch
};

struct StepReport {
  bool applied = false;      ///< false: a number was not finite, here or in another process, and nothing was changed
  double loss = 0;           ///< sum of all terms; of the batches up to the first where it is not finite. Of several
                             ///< processes the average, which is what one alone would have found
  double gradient_norm = 0;  ///< before clipping; NaN where the loss is not finite
  std::vector<std::pair<std::string, double>> terms;
  std::optional<double> loss_scale;  ///< fp16: of the next step

  /// fp16: the gradients were too large for the loss' factor, which is lower now. The step says nothing of the run.
  bool overflowed() const { return !applied && loss_scale && std::isfinite(loss); }
};

/// One optimizer step as a transaction: forward, losses and backward over all batches, then one decision, then clip,
/// optimizer and EMA together or nothing at all. A refused step also takes back what forward did to the BatchNorm
/// statistics. The decision is made where the numbers are, and the optimizer obeys it there; the host reads it with all
/// other numbers of the step at once, when everything up to the optimizer has been queued. What is promised of it, and
/// the tests: docs/reliability.md.
///
/// Several processes that deal out each batch picture by picture (loader_options.h) take the step that one alone would
/// take: divided by the boxes of all, with the noise of the joint batch, and averaged gradients. What remains is
/// BatchNorm, whose batch is every process' own unless `sync_bn` joins them; its running statistics are averaged then.
/// A step has one collective before it, one for each bucket of gradients, and one or two behind it; under joint pairs
/// (CriterionOptions) one more, of their number. Accumulated batches that divide by these go forward twice, the first
/// time to find them.
class TrainStep {
 public:
  /// Model, optimizer, average and group outlive this object.
  /// @param group  the processes that take this step together: they divide by the boxes of all, and refuse together
  /// @throws InternalError  if part of the model does not lie on the options' device
  TrainStep(DetectionModel model, Optimizer& optimizer, Ema& ema, const StepOptions& options,
            ProcessGroup& group = world_of_one());
  ~TrainStep();
  TrainStep(const TrainStep&) = delete;
  TrainStep& operator=(const TrainStep&) = delete;

  /// @param batches    gradient accumulation: their losses are divided by the boxes of all of them, so k batches of n
  ///                   pictures give the gradient of one batch of k·n
  /// @param rates      what the schedule says for this step
  StepReport run(std::span<const Batch> batches, const StepPosition& position, const StepRates& rates);
  /// Batches of a step to come. To a GPU they set out, so that the step before it hides their way.
  void expect(std::span<const Batch> batches);
  /// What a step remembers for the next one: the loss' factor, in fp16; else nothing.
  void register_state(StateRegistry& registry);

 private:
  /// What all processes need to know of each other's pictures.
  struct JointCounts {
    double pictures = 0, boxes = 0;  ///< of all batches
    std::vector<double> of_batch;    ///< boxes of each
    std::vector<double> pictures_of_batch;
    std::vector<std::int64_t> largest;  ///< of each batch: boxes of the picture with the most
    std::optional<double> pairs;        ///< joint pairs of all batches, where these were counted
  };
  JointCounts count_jointly(std::span<const Batch> batches);
  torch::Generator generator_for(const StepPosition& position, std::size_t batch) const;
  double count_joint_pairs(std::span<const Batch> batches, const StepPosition& position,
                           const CriterionOptions& criterion);
  double sum_of_all(double own);
  WholeStep whole_step(const JointCounts& counts, std::size_t index);
  ModelOutput forward(const torch::Tensor& images, const ForwardOptions& options);
  CriterionResult losses_of(const Batch& batch, const JointCounts& counts, std::size_t index,
                            const ForwardOptions& options, const CriterionOptions& criterion);
  void average_statistics();
  void remember_statistics();
  void take_back_statistics();

  DetectionModel model_;
  Optimizer& optimizer_;
  Ema& ema_;
  StepOptions options_;
  ProcessGroup& group_;
  torch::ScalarType type_;          ///< of the model: pictures come in it
  std::optional<LossScale> scale_;  ///< fp16 alone
  std::unique_ptr<GradientReducer> reducer_;
  BatchMover mover_;
  /// The model's buffers of one type, and as they were before the step: lists of one type are copied in one launch.
  struct Statistics {
    std::vector<torch::Tensor> live, remembered;
  };
  std::map<torch::ScalarType, Statistics> statistics_;
};

/// What a refused step says: its numbers, and the ids of its pictures.
/// @param rate  learning rate of the step
std::string describe_refused(const StepReport& report, double rate, std::span<const Batch> batches,
                             const Dataset& dataset);

}  // namespace rtdetr
