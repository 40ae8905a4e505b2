#pragma once

#include <vector>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/image/image_size.h"
#include "train/commands/model_source.h"
#include "train/config/settings.h"

namespace rtdetr {

/// What is exported, and what it is compared on.
struct OnnxSource {
  OpenedModel& original;
  const OpenedModel& fused;
  std::vector<ImageSize> sizes;              ///< the file's own, and another that a dynamic one is compared at
  const std::vector<torch::Tensor>& inputs;  ///< each [1, 3, H, W], of all these sizes

  const ImageSize& size() const { return sizes.front(); }
  double tolerance = 0;  ///< of scores and of boxes as fractions of the picture
};

/// `export format=onnx`: one file, read back and run before it gets its name.
/// @throws ConfigError    if dynamic= is wanted at a size whose maps have fewer tokens than the model has queries
/// @throws InternalError  naming the first row that computes something else; nothing is written then
ExitCode export_onnx(const Settings& settings, OnnxSource source);

}  // namespace rtdetr
