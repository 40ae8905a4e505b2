#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "models/weights/key_rules.h"

namespace rtdetr {

/// Another program's tensors under our keys, or ours under theirs.
struct ConvertedTensors {
  TensorMap tensors;
  std::vector<std::string> unexpected;  ///< no rule knows them
  std::vector<std::string> dropped;     ///< the other side has no such thing
};

/// Gives one of the file's tensors by its name there.
using FetchTensor = std::function<torch::Tensor(const std::string&)>;

/// Makes our tensors as planned, one after the other; queries, keys and values become one tensor.
/// @param origin  what messages call the file
/// @throws CheckpointError  naming two copies that differ, or parts that do not fit each other
TensorMap gather_tensors(const KeyPlan& plan, const FetchTensor& fetch, const std::string& origin);

/// @throws CheckpointError  as plan_keys and gather_tensors
ConvertedTensors to_our_keys(const KeyLayout& layout, const TensorMap& theirs, const std::string& origin);
/// The way back: views of ours; an input projection is split into three.
/// @throws CheckpointError  naming a projection that is not three equal parts
ConvertedTensors to_their_keys(const KeyLayout& layout, const TensorMap& ours, const std::string& origin);

}  // namespace rtdetr
