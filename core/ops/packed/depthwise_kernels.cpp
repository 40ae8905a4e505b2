// Eight output pixels of one vector of channels at a time: a tap's weights are loaded once for the eight.
#include "core/ops/packed/depthwise_kernels.h"

#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/packed_shapes.h"

namespace rtdetr {
namespace {

constexpr int kGroup = 8, kWide = 4;

/// `P` pixels from the run's pixel `first`; N vectors of channels from `c`, or of the last one only `count` channels.
template <typename S, typename Number, FusedActivation A, int P, int N, bool Some = false>
RTDETR_INLINE void block(const DepthwiseArgs& args, std::int64_t first, std::int64_t c,
                         std::int64_t count = S::kLanes) {
  using Vector = typename S::Vector;
  const std::int64_t lanes = Some ? count : S::kLanes;
  Vector sums[P][N];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sums[p][n] = load_vector<Vector>(args.bias + c + n * S::kLanes);
  for (std::int64_t r = 0; r < args.tap_rows; ++r) {
    const float *x = args.x + first * args.x_step + r * args.x_row_stride + c,
                *weight = args.weight + r * args.weight_row_stride + c;
    for (std::int64_t t = 0; t < args.taps; ++t, x += args.x_tap_stride, weight += args.weight_tap_stride) {
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) {
        const auto w = load_vector<Vector>(weight + n * S::kLanes);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) sums[p][n] += w * load_some<S>(x + p * args.x_step + n * S::kLanes, lanes);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      const std::int64_t at = c + n * S::kLanes;
      const auto* residual = args.residual.numbers<Number>() + (first + p) * args.residual_stride + at;
      Vector v = sums[p][n];
      if (args.place == ResidualPlace::kBeforeActivation) v += load_some<S>(residual, lanes);
      v = activated<A>(v);
      if (args.place == ResidualPlace::kAfterActivation) v += load_some<S>(residual, lanes);
      store_some<S>(args.y.numbers<Number>() + (first + p) * args.y_stride + at, v, lanes);
    }
  }
}

/// All channels of P pixels.
template <typename S, typename Number, FusedActivation A, int P>
RTDETR_INLINE void pixels(const DepthwiseArgs& args, std::int64_t first) {
  std::int64_t c = 0;
  if constexpr (P == 1) {  // its sums are too few to hide the time of an addition
    for (; c + kWide * S::kLanes <= args.channels; c += kWide * S::kLanes)
      block<S, Number, A, P, kWide>(args, first, c);
  }
  for (; c + S::kLanes <= args.channels; c += S::kLanes) block<S, Number, A, P, 1>(args, first, c);
  if (c < args.channels) block<S, Number, A, P, 1, true>(args, first, c, args.channels - c);
}

template <typename S, typename Number, FusedActivation A>
RTDETR_INLINE void depthwise(const DepthwiseArgs& args) {
  std::int64_t first = 0;
  for (; first + kGroup <= args.pixels; first += kGroup) pixels<S, Number, A, kGroup>(args, first);
  if (first + kGroup / 2 <= args.pixels) {
    pixels<S, Number, A, kGroup / 2>(args, first);
    first += kGroup / 2;
  }
  for (; first < args.pixels; ++first) pixels<S, Number, A, 1>(args, first);
}

template <typename S>
RTDETR_INLINE void depthwise_of(const DepthwiseArgs& args) {
  with_numbers<S>(args.y.format, [&]<typename Number>() RTDETR_ALWAYS_INLINE {
    with_activation(args.activation, [&]<FusedActivation A>() RTDETR_ALWAYS_INLINE { depthwise<S, Number, A>(args); });
  });
}

#define RTDETR_DEPTHWISE_KERNEL(Level, target) \
  target void depthwise_##Level(const DepthwiseArgs& args) { depthwise_of<Level##Shape>(args); }

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_DEPTHWISE_KERNEL)

constexpr DepthwiseKernel kBaseline = depthwise_Baseline, kAvx2 = depthwise_Avx2, kAvx512 = depthwise_Avx512;

}  // namespace

DepthwiseKernel depthwise_kernel() { return at_cpu_level(kBaseline, kAvx2, kAvx512); }

}  // namespace rtdetr
