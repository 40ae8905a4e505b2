#pragma once

#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/distributed/process_group.h"

namespace rtdetr {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// Gives every rank the values of rank 0, tensor by tensor. A collective.
/// @param state  names and tensors of a model; a float type or int64
/// @throws Error  kPeer, on all ranks, if they do not all have the same names, shapes and types: the first that differs
void share_state(ProcessGroup& group, const NamedTensors& state);

/// Compares what all ranks should hold alike: the sum of each tensor's bits, read as integers, which is exact in any
/// order and so the same on every device. Any one number that differs is found. A collective; one pass over the state
/// where it lies, one wait for it, and eight bytes a tensor to every rank.
/// @param state  the same names on all ranks, in the same order
/// @throws Error  kPeer, on all ranks: which of them differs from most, and the first tensor that does
void require_same_state(ProcessGroup& group, const NamedTensors& state);

}  // namespace rtdetr
