#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "core/tensor/detection.h"
#include "data/dataset/sample.h"

/// A batch in plain memory, as the model and the losses take it: the one place where it goes to a device.
namespace rtdetr {

/// The batch's pictures as a tensor [B, 3, H, W] in channels-last memory, a copy.
torch::Tensor images_of(const Batch& batch, torch::Device device);
/// B entries, those of pictures without a box with 0 rows; views of one copy.
std::vector<Target> targets_of(const Batch& batch, torch::Device device);
/// Leaves the batch with the pictures that are its own (Batch::repeated), perhaps none.
void leave_out_repeated(Batch& batch);
/// Of all of them together.
std::int64_t count_boxes(std::span<const Batch> batches);

}  // namespace rtdetr
