#pragma once

#include <cstddef>
#include <cstdint>

#include "core/ops/packed/packed_conv.h"

namespace rtdetr {

struct PackedLinearOptions {
  std::int64_t in = 0, out = 0;
  FusedActivation activation = FusedActivation::kNone;
  ResidualPlace residual = ResidualPlace::kNone;
  NumberFormat format = NumberFormat::kFloat32;
  ByteScale bytes = {};  ///< int8: of the input
};

/// y = act(x·Wᵀ + b), with a residual as PackedConv has it: the product of the convolutions, for rows.
class PackedLinear {
 public:
  /// @param weight  [out, in]; copied  @param bias  [out], or nullptr
  PackedLinear(const PackedLinearOptions& options, const float* weight, const float* bias);

  std::int64_t workspace_floats(std::int64_t rows, int threads) const {
    return conv_.workspace_floats(1, 1, rows, threads);
  }
  /// @param x  [rows, in], `x_stride` numbers between rows
  void run(const ConstMapData& x, std::int64_t rows, std::int64_t x_stride, const PackedOutput& y,
           const PackedWorkspace& workspace) const {
    conv_.run({x, 1, 1, rows, x_stride}, y, workspace);
  }
  std::size_t packed_bytes() const { return conv_.packed_bytes(); }
  NumberFormat format() const { return conv_.format(); }

 private:
  PackedConv conv_;
};

}  // namespace rtdetr
