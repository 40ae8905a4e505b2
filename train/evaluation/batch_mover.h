#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <torch/types.h>

#include "data/loader/float_pool.h"
#include "train/evaluation/batch_tensors.h"

namespace rtdetr {

/// Memory for a loader's batches from which the device copies while it computes (pinned memory); of the CPU none is
/// special, and nothing is returned.
FloatSource batch_memory(torch::Device device);

/// Brings batches to where they are computed. On the CPU that happens when a batch is taken, and nothing is kept. To a
/// GPU a batch can set out while the one before is computed: its copies have a stream of their own, and the memory that
/// they read (batch_memory) goes back to the loader when they are over, not before. The host waits for none of it.
/// All calls from one thread.
class BatchMover {
 public:
  explicit BatchMover(torch::Device device) : device_(device) {}
  ~BatchMover();  ///< waits for copies that are under way
  BatchMover(const BatchMover&) = delete;
  BatchMover& operator=(const BatchMover&) = delete;

  /// Lets a batch set out that will be taken later.
  void start(const Batch& batch);
  /// The batch where it is computed, whether it was started or not. What the current stream is given from now on waits
  /// there for the batch to arrive.
  BatchTensors take(const Batch& batch);

 private:
  struct Transfer {
    std::shared_ptr<const float> memory;  ///< that it reads; tells the batch as well
    BatchTensors tensors;
    c10::Event arrived;
  };
  using Transfers = std::vector<Transfer>;
  Transfers::iterator find(const Batch& batch);

  torch::Device device_;
  std::optional<c10::Stream> stream_;  ///< of the copies; from the first on
  Transfers started_, taken_;
};

}  // namespace rtdetr
