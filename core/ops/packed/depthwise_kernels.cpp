// Eight output pixels of one vector of channels at a time: a tap's weights are loaded once for the eight.
#include "core/ops/packed/depthwise_kernels.h"

#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/packed_shapes.h"

namespace rtdetr {
namespace {

constexpr int kGroup = 8;

/// `P` pixels from the run's pixel `first`; `count` channels from `c`, a whole vector unless Some.
template <typename S, FusedActivation A, int P, bool Some>
RTDETR_INLINE void pixels(const DepthwiseArgs& args, std::int64_t first, std::int64_t c, std::int64_t count) {
  using Vector = typename S::Vector;
  const std::int64_t lanes = Some ? count : S::kLanes;
  Vector sums[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) sums[p] = load_vector<Vector>(args.bias + c);
  for (std::int64_t r = 0; r < args.tap_rows; ++r) {
    const float *x = args.x + first * args.x_step + r * args.x_row_stride + c,
                *weight = args.weight + r * args.weight_row_stride + c;
    for (std::int64_t t = 0; t < args.taps; ++t, x += args.x_tap_stride, weight += args.weight_tap_stride) {
      const auto w = load_vector<Vector>(weight);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums[p] += w * load_some<S>(x + p * args.x_step, lanes);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    const float* residual = args.residual + (first + p) * args.residual_stride + c;
    if (args.place == ResidualPlace::kBeforeActivation) sums[p] += load_some<S>(residual, lanes);
    sums[p] = activated<A>(sums[p]);
    if (args.place == ResidualPlace::kAfterActivation) sums[p] += load_some<S>(residual, lanes);
    store_some<S>(args.y + (first + p) * args.y_stride + c, sums[p], lanes);
  }
}

template <typename S, FusedActivation A>
RTDETR_INLINE void depthwise(const DepthwiseArgs& args) {
  const std::int64_t whole = args.channels / S::kLanes * S::kLanes;
  for (std::int64_t c = 0; c < whole; c += S::kLanes) {
    std::int64_t first = 0;
    for (; first + kGroup <= args.pixels; first += kGroup) pixels<S, A, kGroup, false>(args, first, c, 0);
    for (; first < args.pixels; ++first) pixels<S, A, 1, false>(args, first, c, 0);
  }
  if (whole < args.channels)
    for (std::int64_t first = 0; first < args.pixels; ++first)
      pixels<S, A, 1, true>(args, first, whole, args.channels - whole);
}

#define RTDETR_DEPTHWISE_KERNEL(Level, target)                                                            \
  target void depthwise_##Level(const DepthwiseArgs& args) {                                              \
    with_activation(args.activation,                                                                      \
                    [&]<FusedActivation A>() RTDETR_ALWAYS_INLINE { depthwise<Level##Shape, A>(args); }); \
  }

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_DEPTHWISE_KERNEL)

constexpr DepthwiseKernel kBaseline = depthwise_Baseline, kAvx2 = depthwise_Avx2, kAvx512 = depthwise_Avx512;

}  // namespace

DepthwiseKernel depthwise_kernel() { return at_cpu_level(kBaseline, kAvx2, kAvx512); }

}  // namespace rtdetr
