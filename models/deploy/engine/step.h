#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/ops/packed/packed_conv.h"
#include "models/deploy/engine/layout.h"

namespace rtdetr {

/// Where one call's buffers are.
struct EngineFrame {
  std::vector<std::byte*> bases;  ///< by buffer; constants' and the picture's, too
  int threads = 1;

  template <typename T>
  T* at(const EngineView& view) const {
    return reinterpret_cast<T*>(bases[static_cast<std::size_t>(view.buffer)]) + view.offset;
  }
  /// Float32, or bf16.
  MapData map(const EngineView& view) const {
    return MapData(bases[static_cast<std::size_t>(view.buffer)], view.format) + view.offset;
  }
  /// As LibTorch sees it.
  torch::Tensor tensor(const EngineView& view, torch::ScalarType type = torch::kFloat) const;
};

/// One operation, prepared: everything that does not depend on the picture is done. Const in a run: several threads
/// run it, each with its own frame.
class EngineStep {
 public:
  explicit EngineStep(EngineOperation operation) : operation_(std::move(operation)) {}
  virtual ~EngineStep() = default;
  virtual void run(const EngineFrame& frame) const = 0;
  virtual std::int64_t workspace_floats(int /*threads*/) const { return 0; }
  virtual std::int64_t weight_bytes() const { return 0; }  ///< packed
  virtual double operations() const { return 0; }          ///< 2 per multiply-add, for profiles
  /// What a profile calls this kind of step.
  virtual std::string kind() const { return operation_.node.op; }

  const EngineOperation& operation() const { return operation_; }
  const std::string& name() const { return operation_.node.name; }
  /// @param buffer  where a frame has workspace_floats()
  void set_workspace(int buffer) { workspace_.buffer = buffer; }

 protected:
  const EngineView& in(std::size_t k = 0) const { return operation_.inputs[k]; }
  const EngineView& out(std::size_t k = 0) const { return operation_.outputs[k]; }
  const EngineNode& node() const { return operation_.node; }

  EngineOperation operation_;
  EngineView workspace_;
};
using EngineStepPtr = std::unique_ptr<EngineStep>;

/// An operation that the engine has no step for: the plain model runs instead.
class UnknownOperation : public InternalError {
 public:
  using InternalError::InternalError;
};

/// Any step but a product. @throws UnknownOperation
EngineStepPtr make_step(EngineOperation operation, const std::vector<EngineBuffer>& buffers);

/// Which of the maps of a step may be bf16; its residual is of the output's format.
NarrowMaps narrow_maps(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers);

/// Whether it is a Conv or Linear that the packed kernels compute.
bool is_packed_product(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers);
/// Packs its weights, which are not read again.
EngineStepPtr make_product_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers);

/// Of what is_packed_product().
NarrowMaps product_narrow_maps(const EngineOperation& operation, const std::vector<EngineBuffer>& buffers);
/// Whether make_map_step() has one for it.
bool is_map_step(const EngineOperation& operation);

/// The other families; nullptr: none of theirs.
EngineStepPtr make_map_step(EngineOperation& operation);
EngineStepPtr make_row_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers);
EngineStepPtr make_attention_step(EngineOperation& operation);
EngineStepPtr make_selection_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers);
EngineStepPtr make_torch_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers);

}  // namespace rtdetr
