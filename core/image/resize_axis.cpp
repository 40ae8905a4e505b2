#include "core/image/resize_axis.h"

#include <algorithm>
#include <cmath>

namespace rtdetr {
namespace {

/// Pillow's taps for output `i` of `size` pixels stretched or shrunk to `outputs`.
struct Taps {
  int first = 0;
  std::vector<double> share;
  std::vector<std::int32_t> weights;

  void compute(int i, int size, int outputs) {
    const double scale = static_cast<double>(size) / outputs;
    const double support = std::max(scale, 1.0);
    const double inverse = 1.0 / support;
    const double center = (i + 0.5) * scale;
    first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), size);
    share.clear();
    double sum = 0;
    for (int j = first; j < end; ++j) {
      share.push_back(std::max(0.0, 1.0 - std::abs((j - center + 0.5) * inverse)));
      sum += share.back();
    }
    weights.clear();
    for (const double part : share) {
      weights.push_back(static_cast<std::int32_t>(part / sum * (1 << kResizeWeightBits) + 0.5));
    }
  }
};

}  // namespace

ResizeAxis make_resize_axis(int start, int size, int source, int outputs, bool flip) {
  ResizeAxis axis;
  axis.first.assign(outputs, 0);
  axis.count.assign(outputs, 0);
  const int most = 2 * static_cast<int>(std::ceil(std::max(static_cast<double>(size) / outputs, 1.0))) + 1;
  std::vector<std::int32_t> wide(static_cast<std::size_t>(outputs) * most);
  axis.begin = outputs;
  int used = 0;
  Taps taps;
  for (int i = 0; i < outputs; ++i) {
    taps.compute(i, size, outputs);
    auto& weights = taps.weights;
    int first = start + taps.first;
    // Tap j of the mirrored window is pixel size - 1 - j of the window itself.
    if (flip) std::reverse(weights.begin(), weights.end());
    if (flip) first = start + size - taps.first - static_cast<int>(weights.size());
    int from = std::max(0, -first);
    int to = std::min(static_cast<int>(weights.size()), source - first);
    while (from < to && weights[from] == 0) ++from;
    while (from < to && weights[to - 1] == 0) --to;
    if (from >= to) continue;
    axis.first[i] = first + from;
    axis.count[i] = to - from;
    used = std::max(used, to - from);
    std::copy(weights.begin() + from, weights.begin() + to, wide.begin() + static_cast<std::ptrdiff_t>(i) * most);
    axis.begin = std::min(axis.begin, i);
    axis.end = i + 1;
  }
  axis.begin = std::min(axis.begin, axis.end);
  axis.stride = used + used % 2;
  axis.weight.assign(static_cast<std::size_t>(outputs) * axis.stride, 0);
  for (int i = 0; i < outputs; ++i) {
    std::copy_n(wide.begin() + static_cast<std::ptrdiff_t>(i) * most, axis.count[i],
                axis.weight.begin() + static_cast<std::ptrdiff_t>(i) * axis.stride);
  }
  return axis;
}

}  // namespace rtdetr
