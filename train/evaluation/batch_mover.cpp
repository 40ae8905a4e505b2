#include "train/evaluation/batch_mover.h"

#include <algorithm>
#include <utility>

#include <c10/core/StreamGuard.h>
#include <torch/types.h>

#include "core/ops/streams.h"

namespace rtdetr {

FloatSource batch_memory(torch::Device device) {
  if (device.is_cpu()) return {};
  return [](std::size_t size) {
    const auto options = torch::TensorOptions(torch::kFloat32).pinned_memory(true);
    const torch::Tensor floats = torch::empty({static_cast<std::int64_t>(size)}, options);
    return std::shared_ptr<float>(floats.mutable_data_ptr<float>(), [floats](float*) {});
  };
}

BatchMover::~BatchMover() {
  for (const Transfers* transfers : {&started_, &taken_}) {
    for (const Transfer& transfer : *transfers) {
      try {
        transfer.arrived.synchronize();
      } catch (const c10::Error&) {  // the device is gone, and its copies with it
      }
    }
  }
}

BatchMover::Transfers::iterator BatchMover::find(const Batch& batch) {
  return std::find_if(started_.begin(), started_.end(),
                      [&](const Transfer& transfer) { return transfer.memory.get() == batch.images.data(); });
}

void BatchMover::start(const Batch& batch) {
  if (device_.is_cpu() || find(batch) != started_.end()) return;
  if (!stream_) stream_ = side_stream(device_);
  std::erase_if(taken_, [](const Transfer& transfer) { return transfer.arrived.query(); });
  const c10::StreamGuard copying(*stream_);
  BatchTensors tensors = batch_tensors(batch, device_);
  started_.push_back({batch.images.hold(), std::move(tensors), mark_behind(*stream_)});
}

BatchTensors BatchMover::take(const Batch& batch) {
  if (device_.is_cpu()) return batch_tensors(batch, device_);
  start(batch);
  const auto transfer = find(batch);
  BatchTensors tensors = std::move(transfer->tensors);
  const c10::Stream computing = current_stream(device_);
  transfer->arrived.block(computing);
  // The memory is the other stream's: it must not go to a later copy before this one's work is done.
  tensors.images.record_stream(computing);
  taken_.push_back({std::move(transfer->memory), {}, std::move(transfer->arrived)});
  started_.erase(transfer);
  return tensors;
}

}  // namespace rtdetr
