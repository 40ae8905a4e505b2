#pragma once

#include <ATen/Parallel.h>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/ops/packed/number_format.h"

/// What the packed kernels (packed_conv.h, packed_linear.h, winograd.h) take and give. Maps are in NHWC order: the
/// channels of a pixel are contiguous, and pixels follow one another, image after image, `pixel_stride` numbers apart.
/// A stride above the number of channels makes the map a slice of a wider one.
namespace rtdetr {

/// Where the numbers of a map begin: float32, or bf16 where that is said (packed_conv.h, narrow_maps).
template <typename Byte, typename Float>
struct BasicMapData {
  Byte* data = nullptr;
  NumberFormat format = NumberFormat::kFloat32;

  BasicMapData() = default;
  BasicMapData(Float* numbers) : data(reinterpret_cast<Byte*>(numbers)) {}
  BasicMapData(Byte* numbers, NumberFormat which) : data(numbers), format(which) {}
  /// To read from.
  template <typename OtherByte, typename OtherFloat>
  requires(std::is_const_v<Byte> && !std::is_const_v<OtherByte>)
      BasicMapData(const BasicMapData<OtherByte, OtherFloat>& other)
      : data(other.data), format(other.format) {}
  explicit operator bool() const { return data != nullptr; }
  bool is_narrow() const { return format != NumberFormat::kFloat32; }
  std::int64_t number_bytes() const { return 4 / numbers_in_word(format); }
  BasicMapData operator+(std::int64_t numbers) const { return {data + numbers * number_bytes(), format}; }
  Float* floats() const { return reinterpret_cast<Float*>(data); }
  /// As float, or std::uint16_t.
  template <typename Number>
  auto* numbers() const {
    return reinterpret_cast<std::conditional_t<std::is_const_v<Byte>, const Number, Number>*>(data);
  }
};
using MapData = BasicMapData<std::byte, float>;
using ConstMapData = BasicMapData<const std::byte, const float>;

/// In the order of models' Activation.
enum class FusedActivation { kNone, kRelu, kSilu, kGelu, kLeakyRelu, kHardswish };

/// Where a map is added to the result.
enum class ResidualPlace { kNone, kBeforeActivation, kAfterActivation };

struct PackedInput {
  /// Vectors of up to 16 numbers are read from a pixel's beginning, so the neighbours of a slice are read, too, and
  /// thrown away.
  ConstMapData data;
  std::int64_t batch = 1, height = 1, width = 1;
  std::int64_t pixel_stride = 0;
};

struct PackedOutput {
  MapData data;  ///< overlaps neither the input nor the residual, unless it says so below
  std::int64_t pixel_stride = 0;
  /// As many pixels and channels as the output, of its format. May be the output itself: it is then read before it is
  /// written.
  ConstMapData residual;
  std::int64_t residual_stride = 0;
};

/// Memory for intermediate results, 64-byte aligned. Nothing in it outlives a call, unless the callee says so.
struct PackedWorkspace {
  float* data = nullptr;
  int threads = 1;  ///< work is cut into so many parts for at::parallel_for; the numbers do not depend on it
};

}  // namespace rtdetr
