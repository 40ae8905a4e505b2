#pragma once

#include <memory>
#include <vector>

#include <torch/nn/module.h>

#include "core/base/error.h"
#include "core/tensor/detection.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

/// A row's module. A block with one input overrides `forward`; one with several (Concat) overrides `forward_all`.
///
/// Constructors must take their weights from `new_weight` (models/layers/init.h) or from submodules of models/layers/,
/// and must not read values: a model is first built without memory, to count it. `forward` is passed tensors without
/// memory too, to count operations: it takes sizes from shapes, not from values (models/layers/shape_kernels.h).
/// Outside training it changes nothing in the module, or locks what it changes: several threads run it at once.
class Block : public torch::nn::Module {
 public:
  virtual Tensor forward(const Tensor& /*x*/) {
    throw InternalError("a block overrides neither forward nor, with several inputs, forward_all");
  }
  virtual Tensor forward_all(const std::vector<Tensor>& inputs) { return forward(inputs.front()); }

  /// What `forward` computes outside training, as operators of an ONNX graph (models/onnx/onnx_ops.h). Written in the
  /// same order, so that the two are read side by side.
  virtual OnnxValue emit(OnnxBuilder& /*graph*/, const OnnxValue& /*x*/) const {
    throw ModelError(
        "has no ONNX form; format=safetensors, which predict and the library read, has one of every model");
  }
  virtual OnnxValue emit_all(OnnxBuilder& graph, const std::vector<OnnxValue>& inputs) const {
    return emit(graph, inputs.front());
  }
};
using BlockPtr = std::shared_ptr<Block>;

}  // namespace rtdetr
