#pragma once

#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/distributed/process_group.h"

namespace rtdetr {

/// Gives every rank the values of rank 0, tensor by tensor. A collective.
/// @param state  names and tensors of a model; a float type or int64
/// @throws Error  kPeer, on all ranks, if they do not all have the same names, shapes and types: the first that differs
void share_state(ProcessGroup& group, const std::vector<std::pair<std::string, torch::Tensor>>& state);

}  // namespace rtdetr
