#include "core/ops/packed/product_speed.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/base/clock.h"
#include "core/ops/packed/aligned_floats.h"
#include "core/ops/packed/packed_linear.h"

namespace rtdetr {

double product_milliseconds(NumberFormat format) {
  constexpr std::int64_t kRows = 256, kSide = 256;
  constexpr int kTurns = 8;
  const std::vector<float> numbers(kRows * kSide, 1);
  const PackedLinear linear({.in = kSide, .out = kSide, .format = format}, numbers.data(), nullptr);
  AlignedFloats y(kRows * kSide), workspace(linear.workspace_floats(kRows, 1));
  double best = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < kTurns; ++turn) {
    const Stopwatch watch;
    linear.run(numbers.data(), kRows, kSide, {y.data(), kSide}, {workspace.data(), 1});
    best = std::min(best, watch.milliseconds());
  }
  return best;
}

}  // namespace rtdetr
