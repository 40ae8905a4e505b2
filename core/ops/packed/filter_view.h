#pragma once

#include <cstdint>

namespace rtdetr {

/// Where 3×3 filters lie: tap t of filter (out, in) is data[out · out_stride + in · in_stride + t · tap_stride].
struct FilterView {
  const float* data;
  std::int64_t out_stride, in_stride, tap_stride;

  /// [out, in, 3, 3] without gaps.
  static FilterView dense(const float* data, std::int64_t in) { return {data, in * 9, 9, 1}; }
  /// Those of the convolution that brings a gradient back to the input: turned by half a turn, out and in exchanged.
  FilterView backward() const { return {data + 8 * tap_stride, in_stride, out_stride, -tap_stride}; }
};

}  // namespace rtdetr
