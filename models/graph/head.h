#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <torch/nn.h>

#include "core/tensor/detection.h"
#include "models/layers/fuse.h"

namespace rtdetr {

/// Random draws of a denoising group, so that tests can inject the reference's. See models/heads/detr/denoising.h.
struct DenoisingDraws;

struct ForwardOptions {
  /// Training: ground truth of each image; adds denoising queries. Empty outside training.
  std::span<const Target> targets;
  /// Source of the denoising draws; required with targets unless `draws` is given.
  std::optional<torch::Generator> generator;
  const DenoisingDraws* draws = nullptr;
  /// Outside training: run only the first k decoder layers (0 = all), and
  std::int64_t decoder_layers = 0;
  /// the heads of every layer rather than of the last one alone (evaluation per layer, one forward pass).
  bool all_layers = false;
};

/// The last row: maps in, predictions out. Same duties as Block.
class Head : public torch::nn::Module {
 public:
  virtual ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) = 0;
  virtual std::int64_t num_layers() const = 0;
  /// The deployment that the published figures of models with this head speak of.
  virtual Deployment deployment() const = 0;
  /// The loss that models with this head were published with: a word of criterion=.
  virtual const char* criterion() const { return "official"; }
  /// Operations on `tokens` tokens that the reference executes, and its published figures count, but this head spares.
  virtual double spared_operations(std::int64_t /*tokens*/) const { return 0; }
};
using HeadPtr = std::shared_ptr<Head>;

}  // namespace rtdetr
