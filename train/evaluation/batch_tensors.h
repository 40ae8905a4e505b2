#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "core/image/picture_size.h"
#include "core/tensor/detection.h"
#include "data/dataset/sample.h"

/// A batch in plain memory, as the model and the losses take it: the one place where it goes to a device.
namespace rtdetr {

struct BatchTensors {
  torch::Tensor images;         ///< [B, 3, H, W] in channels-last memory
  std::vector<Target> targets;  ///< on the host: B entries, those of pictures without a box with 0 rows. Model and loss
                                ///< bring what they make of them to the device (core/tensor/upload.h)
  std::vector<PictureSize> valid_sizes;  ///< of ForwardOptions: B of a padded batch, else none
};
/// Copies. That of the pictures to a GPU goes to its current stream and reads the batch's memory when its turn comes,
/// with memory from batch_memory() after this has returned: whoever calls keeps it (batch_mover.h).
BatchTensors batch_tensors(const Batch& batch, torch::Device device);
/// Leaves the batch with the pictures that are its own (Batch::repeated), perhaps none.
void leave_out_repeated(Batch& batch);
/// Of all of them together.
std::int64_t count_boxes(std::span<const Batch> batches);

}  // namespace rtdetr
