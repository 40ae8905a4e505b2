#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rtdetr {

/// Weights of Pillow's resize have this many bits after the point (docs/reference/official_behaviour.md#resize).
inline constexpr int kResizeWeightBits = 22;
/// A weight = high · 2^11 + low: both halves fit the 16-bit multiply-add.
inline constexpr int kResizeLowBits = 11;

/// One axis of the resize: output i is the weighted sum of `count[i]` source pixels from `first[i]` on.
struct ResizeAxis {
  int stride = 0;  ///< weights per output, even: the column pass takes pairs; unused ones are 0
  std::vector<int> first, count;
  std::vector<std::int32_t> weight;  ///< [outputs][stride]
  int begin = 0, end = 0;            ///< outputs outside [begin, end) see no source pixel

  const std::int32_t* weights_of(int output) const {
    return weight.data() + static_cast<std::ptrdiff_t>(output) * stride;
  }
};

/// Pillow's bilinear weights, antialiased when shrinking, for a window of a picture along one axis. Mirroring turns the
/// order of the taps around; taps outside the picture are dropped, for what lies there is black and adds nothing.
/// @param start, size  the window; it may reach beyond the picture on either side
/// @param source       size of the picture
ResizeAxis make_resize_axis(int start, int size, int source, int outputs, bool flip);

}  // namespace rtdetr
