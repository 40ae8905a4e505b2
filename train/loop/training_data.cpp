#include "train/loop/training_data.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "train/evaluation/batch_mover.h"

namespace rtdetr {
namespace {

LoaderOptions of_this_process(const TrainOptions& run, const ProcessGroup& group) {
  LoaderOptions options = run.loader;
  require_equal_shares(options.batch_size, group);
  options.memory = batch_memory(run.step.device);
  options.rank = group.rank();
  options.world = group.size();
  return options;
}

}  // namespace

void require_equal_shares(std::int64_t batch, const ProcessGroup& group) {
  const std::string processes = std::to_string(group.size());
  if (batch % group.size() != 0)
    throw ConfigError("batch=" + std::to_string(batch) + " is shared by " + processes +
                      " processes; give a multiple of " + processes +
                      " (of a smaller data set a batch has all pictures)");
}

TrainingData::TrainingData(const Dataset& dataset, const TrainOptions& options, const ProcessGroup& group)
    : transforms_(options.transforms),
      accumulate_(options.accumulate),
      windows_(options.windows),
      loader_(dataset, options.transforms, of_this_process(options, group)) {}

void TrainingData::start(const RunPosition& at, double progress) {
  if (windows_.begin_epoch(at, progress) || !started_) {
    windows_.set(transforms_);
    loader_.set_transforms(transforms_);
  }
  started_ = true;
  ahead_.clear();
  loader_.start(at.epoch, at.next_batch);
}

TrainingData::StepBatches TrainingData::next_step(const RunPosition& at) {
  const std::int64_t left = batches_per_epoch() - at.next_batch;
  StepBatches step{.batches = std::exchange(ahead_, {})};
  while (std::ssize(step.batches) < std::min(accumulate_, left)) {
    std::optional<Batch> batch = loader_.next();
    RTDETR_CHECK(batch.has_value(), "the loader's epoch is shorter than it said");
    step.wait_seconds += loader_.last_wait();
    step.batches.push_back(std::move(*batch));
  }
  return step;
}

std::span<const Batch> TrainingData::look_ahead() {
  while (std::ssize(ahead_) < accumulate_ && loader_.is_ready()) ahead_.push_back(std::move(*loader_.next()));
  return ahead_;
}

}  // namespace rtdetr
