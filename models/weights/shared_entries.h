#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "core/tensor/tensor_file.h"

namespace rtdetr {

/// A model may list one tensor under several names (same_tensors), as DINO does with the heads that its layers share.
/// Of another program's weights one of the names is enough: the rest is added to `tensors`.
/// @param tensors  under the model's keys
/// @param origin   what messages call their file
/// @return         the keys that were added
/// @throws CheckpointError  naming two that differ: layers of that model have heads of their own
std::vector<std::string> settle_shared_entries(TensorMap& tensors, const torch::nn::Module& model,
                                               const std::string& origin);

}  // namespace rtdetr
