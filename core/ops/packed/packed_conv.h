#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/ops/packed/number_format.h"
#include "core/ops/packed/packed_map.h"

namespace rtdetr {

struct PixelRows;  // pixel_rows.h

/// Ways to compute a convolution; docs/explanation/cpu_kernels.md says when which is chosen.
enum class ConvAlgorithm {
  kAuto,
  kProduct,    ///< matrix product of gathered pixels; any convolution
  kTiles,      ///< the same of pixels where they lie, by AMX: narrow numbers
  kWinograd2,  ///< F(2x2, 3x3): 3x3, stride 1; a call takes 16/9 of the weights' memory
  kWinograd4,  ///< F(4x4, 3x3): 3x3, stride 1; a call takes 4 times the weights' memory
  kDepthwise,  ///< one input channel per output channel
};

struct PackedConvOptions {
  std::int64_t in = 0, out = 0;
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride = 1, padding = 0, groups = 1, dilation = 1;
  std::int64_t extra_padding = 0;  ///< more zeros at the right and at the bottom
  FusedActivation activation = FusedActivation::kNone;
  ResidualPlace residual = ResidualPlace::kNone;
  ConvAlgorithm algorithm = ConvAlgorithm::kAuto;
  /// What kAuto may spend on transformed weights in a call's workspace, in bytes.
  std::int64_t winograd_bytes = std::int64_t{16} << 20;
  /// Depthwise convolutions are float32 always; Winograd's are bf16, where the processor has it, instead of int8.
  NumberFormat format = NumberFormat::kFloat32;
  ByteScale bytes = {};  ///< int8: of the input
};

/// Which maps of a step may be bf16 (of a convolution with AMX alone, whose products take such numbers as they are;
/// depthwise ones convert). The residual is of the output's format.
struct NarrowMaps {
  bool input = false, output = false;
  bool together = false;  ///< both, or neither
};

/// y = act(conv(x) + bias + residual) or act(conv(x) + bias) + residual on the CPU, for inference: weights are
/// brought into the kernels' order once, for the CPU level in use at that moment (core/base/cpu_level.h). An input that
/// is not finite makes those outputs not a number that see it, by Winograd all of its tile; int8 takes it for a number
/// of its range.
class PackedConv {
 public:
  /// @param weight  [out, in / groups, kernel_h, kernel_w]; copied
  /// @param bias    [out], or nullptr
  /// @throws InternalError  for sizes that do not fit, an algorithm that cannot compute this convolution, a format that
  ///                        the processor cannot multiply
  PackedConv(const PackedConvOptions& options, const float* weight, const float* bias);
  PackedConv(PackedConv&&) noexcept;
  PackedConv& operator=(PackedConv&&) noexcept;
  ~PackedConv();

  std::int64_t output_height(std::int64_t height) const;
  std::int64_t output_width(std::int64_t width) const;
  /// Size of the workspace that `run` needs for such an input.
  std::int64_t workspace_floats(std::int64_t batch, std::int64_t height, std::int64_t width, int threads) const;
  /// @param x  in channels  @param y  out channels of output_height · output_width pixels an image
  /// @throws InternalError  for a map smaller than the window, a residual that is missing, pixels that overlap, bf16
  ///                        where narrow_maps() has none
  void run(const PackedInput& x, const PackedOutput& y, const PackedWorkspace& workspace) const;

  /// For the CPU level in use.
  static NarrowMaps narrow_maps(const PackedConvOptions& options);

  ConvAlgorithm algorithm() const;  ///< never kAuto
  NumberFormat format() const;      ///< in which it multiplies
  std::size_t packed_bytes() const;
  const PackedConvOptions& options() const;

 private:
  struct State;
  PixelRows rows_of(const PackedInput& x) const;

  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
