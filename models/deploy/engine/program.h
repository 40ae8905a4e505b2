#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "models/deploy/engine/step.h"

namespace rtdetr {

/// Where the buffers of a program lie in one block of memory: those that live at the same time lie apart.
struct MemoryPlan {
  std::vector<std::int64_t> offsets;  ///< in bytes, by buffer; -1: not in the block
  std::int64_t bytes = 0;
  std::int64_t least_bytes = 0;  ///< that live at one time: no plan is smaller
};

/// The steps of a model at one size, with the values between them planned. Const once packed.
class EngineProgram {
 public:
  /// All but the weights of products, which `pack` needs.
  /// @throws UnknownOperation
  explicit EngineProgram(const EngineGraph& graph);
  /// Brings weights into the kernels' order, letting go of each plain one; then the program is complete.
  void pack();

  /// @param threads  what workspaces are for
  MemoryPlan plan_memory(int threads) const;

  /// Of packed weights, and of the constants that steps read.
  std::int64_t weight_bytes() const;

  /// Which steps what is predicted at a layer depends on. By step.
  std::vector<bool> steps_to(const EngineLayerViews& layer) const;

  const std::vector<EngineStepPtr>& steps() const { return steps_; }
  const std::vector<EngineBuffer>& buffers() const { return buffers_; }
  const std::vector<EngineLayerViews>& layers() const { return layers_; }  ///< as the graph's
  const EngineView& tokens() const { return tokens_; }

 private:
  std::vector<EngineBuffer> buffers_;  ///< then one workspace for each step
  std::vector<EngineStepPtr> steps_;
  std::vector<std::pair<std::size_t, EngineOperation>> unpacked_;  ///< products, by the number of their step
  std::vector<EngineLayerViews> layers_;
  EngineView tokens_;
};

/// The memory of one call at a time.
class EngineArena {
 public:
  EngineArena(const EngineProgram& program, int threads);
  /// The frame of a call. @param images  NHWC
  const EngineFrame& frame_for(const float* images);
  int threads() const { return frame_.threads; }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::int64_t bytes_ = 0;
  EngineFrame frame_;
  std::vector<std::size_t> image_buffers_;
};

}  // namespace rtdetr
