#pragma once

#include <cstdint>
#include <optional>

namespace rtdetr {

/// How a model is built from its file.
struct BuildOptions {
  std::optional<std::int64_t> num_classes;     ///< overrides the file's nc
  std::optional<std::int64_t> decoder_layers;  ///< build only the first k layers
  std::optional<std::int64_t> num_queries;
  std::uint64_t seed = 0;       ///< of the initial weights (core/base/random.h)
  bool initial_weights = true;  ///< false: tensors stay unset, for a checkpoint that follows
  bool shapes_only = false;     ///< tensors without memory (LibTorch's meta device): to count and to look at
};

}  // namespace rtdetr
