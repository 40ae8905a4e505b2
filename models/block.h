#pragma once

#include <memory>
#include <vector>

#include <torch/nn.h>

#include "core/detection.h"
#include "models/model.h"

namespace rtdetr {

/// A row's module. A block with one input overrides `forward`; one with several (Concat) overrides `forward_all`.
///
/// Constructors must take their weights from `new_weight` (models/layers/init.h) or from submodules of models/layers/,
/// and must not read values: a model is first built without memory, to count it. `forward` is passed tensors without
/// memory too, to count operations: it takes sizes from shapes, not from values (models/shape_kernels.h). Outside
/// training it changes nothing in the module, or locks what it changes: several threads run it at once.
class Block : public torch::nn::Module {
 public:
  virtual Tensor forward(const Tensor& x) { return x; }
  virtual Tensor forward_all(const std::vector<Tensor>& inputs) { return forward(inputs.front()); }
};
using BlockPtr = std::shared_ptr<Block>;

/// The last row: maps in, predictions out. Same duties as Block.
class Head : public torch::nn::Module {
 public:
  virtual ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) = 0;
  virtual std::int64_t num_layers() const = 0;
  /// Operations on `tokens` tokens that the reference executes, and its published figures count, but this head spares.
  virtual double spared_operations(std::int64_t /*tokens*/) const { return 0; }
};
using HeadPtr = std::shared_ptr<Head>;

/// Registers `module` under `parent`, going through plain container modules for each dot of `path`: LibTorch forbids
/// dots in a module's own name. @throws InternalError  if the path is taken
void register_at(torch::nn::Module& parent, const std::string& path, std::shared_ptr<torch::nn::Module> module);

}  // namespace rtdetr
