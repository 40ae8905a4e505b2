#pragma once

#include <cstdint>

#include "core/ops/packed/filter_view.h"
#include "core/ops/packed/packed_map.h"
#include "core/ops/packed/winograd_gradient_kernels.h"

namespace rtdetr {

/// The gradient of the filters of a 3×3 convolution of stride 1 by Winograd's F(M×M, 3×3): as few products as the
/// convolution itself, summed over all tiles of the batch in an order that does not depend on the threads.
class WinogradFilterGradient {
 public:
  /// @param outputs  M: 2 or 4
  WinogradFilterGradient(std::int64_t in, std::int64_t out, std::int64_t padding, int outputs);

  /// For output maps of so many pixels; as much does for fewer pictures.
  std::int64_t workspace_floats(std::int64_t batch, std::int64_t height, std::int64_t width) const;
  /// Adds what some pictures of the batch have to say to the sums at the workspace's beginning.
  /// @param x, dy  the convolution's input, and the gradient of its output
  /// @param first  no picture came before
  void add(const PackedInput& x, const PackedInput& dy, bool first, const PackedWorkspace& workspace) const;
  /// @param place  where the gradients go, laid out as filters are
  void finish(const FilterView& place, float* dw, const PackedWorkspace& workspace) const;

 private:
  struct Tiles;
  struct Block;
  std::int64_t numbers() const { return (outputs_ + 2) * (outputs_ + 2); }
  std::int64_t sum_floats() const;
  std::int64_t most_tiles() const;
  std::int64_t block_tiles(std::int64_t tiles) const;
  void transform(const Tiles& tiles, const Block& block) const;
  void multiply(const Block& block) const;

  std::int64_t in_, out_, padding_;
  int outputs_;
  const WinogradKernels* input_;
  const WinogradGradientKernels* kernels_;
};

}  // namespace rtdetr
