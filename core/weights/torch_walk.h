#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <string>
#include <vector>

#include "core/weights/pickle_tree.h"
#include "core/weights/torch_tensor.h"
#include "core/weights/weights_file.h"

/// From the object that was saved to names: what torch_file.h promises about paths, modules and bounds.
namespace rtdetr {

struct NamedView {
  TorchView view;
  std::uint32_t storage = 0;
};

struct WalkedWeights {
  std::vector<WeightTensor> tensors;
  std::vector<NamedView> views;  ///< of each
  FileMetadata metadata;
};

/// @param most_bytes  that all tensors may take together, laid out
/// @throws CheckpointError  naming the path: deeper than 64 or part of itself, two of one name, too much of anything
WalkedWeights walk_weights(const PickleTree& tree, PickleId root, std::uint64_t most_bytes, const std::string& file);

}  // namespace rtdetr
