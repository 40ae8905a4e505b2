// F(4×4, 3×3) interpolates at 0, ±1/√2, ±√2 and infinity. The usual ±1, ±2 have twice the error (2.8e-6 of the
// output's deviation at 256 channels against 1.25e-6), and with reciprocal points
// the transform needs no more operations. F(2×2, 3×3) has 0, ±1 and infinity.
#include "core/ops/packed/winograd_kernels.h"

#include "core/base/check.h"
#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/panel_numbers.h"

namespace rtdetr {
namespace {

constexpr float kSmall = 0.707106781186547524F, kLarge = 1.41421356237309505F;  // squares: 1/2, 2

template <typename V>
RTDETR_INLINE void transform_input(const V (&d)[6], V (&t)[6]) {
  t[0] = d[0] - 2.5F * d[2] + d[4];
  const V even_small = d[4] - 2.0F * d[2], odd_small = d[3] - 2.0F * d[1];
  t[1] = even_small + kSmall * odd_small;
  t[2] = even_small - kSmall * odd_small;
  const V even_large = d[4] - 0.5F * d[2], odd_large = d[3] - 0.5F * d[1];
  t[3] = even_large + kLarge * odd_large;
  t[4] = even_large - kLarge * odd_large;
  t[5] = d[1] - 2.5F * d[3] + d[5];
}

template <typename V>
RTDETR_INLINE void transform_output(const V (&m)[6], V (&y)[4]) {
  const V even_small = m[1] + m[2], odd_small = m[1] - m[2], even_large = m[3] + m[4], odd_large = m[3] - m[4];
  y[0] = m[0] + even_small + even_large;
  y[1] = kSmall * odd_small + kLarge * odd_large;
  y[2] = 0.5F * even_small + 2.0F * even_large;
  y[3] = m[5] + 0.5F * kSmall * odd_small + 2.0F * kLarge * odd_large;
}

template <typename V>
RTDETR_INLINE void transform_input(const V (&d)[4], V (&t)[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[2] + d[1];
  t[2] = d[2] - d[1];
  t[3] = d[3] - d[1];
}

template <typename V>
RTDETR_INLINE void transform_output(const V (&m)[4], V (&y)[2]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] + m[3];
}

// Lagrange's denominators are the filter's: 1, −3/2, −3/2, 6, 6.
template <typename V>
RTDETR_INLINE void transform_filter(const V (&g)[3], V (&u)[6]) {
  constexpr float kThird = 1.0F / 3, kSixth = 1.0F / 6;
  const V even_small = -kThird * (2.0F * g[0] + g[2]), odd_small = kThird * kLarge * g[1];
  const V even_large = kSixth * (g[0] + 2.0F * g[2]), odd_large = kSixth * kLarge * g[1];
  u[0] = g[0];
  u[1] = even_small - odd_small;
  u[2] = even_small + odd_small;
  u[3] = even_large + odd_large;
  u[4] = even_large - odd_large;
  u[5] = g[2];
}

template <typename V>
RTDETR_INLINE void transform_filter(const V (&g)[3], V (&u)[4]) {
  const V even = 0.5F * (g[0] + g[2]), odd = 0.5F * g[1];
  u[0] = g[0];
  u[1] = even + odd;
  u[2] = even - odd;
  u[3] = g[2];
}

/// Columns of one channel's filters transformed.
template <typename S, int A>
RTDETR_INLINE void transform_columns(const float* from, std::int64_t tap_stride, typename S::Vector (&half)[A][3]) {
  for (int j = 0; j < 3; ++j) {
    typename S::Vector g[3], u[A];
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) g[i] = load_vector<typename S::Vector>(from + (i * 3 + j) * tap_stride);
    transform_filter(g, u);
#pragma GCC unroll 6
    for (int i = 0; i < A; ++i) half[i][j] = u[i];
  }
}

/// The channels of a word are transformed together.
template <typename S, int M>
RTDETR_INLINE void filter(const WinogradFilterArgs& args) {
  constexpr int A = M + 2, kTogether = static_cast<int>(numbers_in_word(S::kFormat));
  using Vector = typename S::Vector;
  const std::int64_t width = args.vectors * S::kLanes;
  for (std::int64_t c = 0; c < args.channels; c += kTogether) {
    for (std::int64_t lane = 0; lane < width; lane += S::kLanes) {
      Vector half[kTogether][A][3] = {};
      for (int k = 0; k < std::min<std::int64_t>(kTogether, args.channels - c); ++k)
        transform_columns<S>(args.filters + (c + k) * 9 * width + lane, width, half[k]);
      float* to = args.u + c / kTogether * width + lane;
      for (int i = 0; i < A; ++i) {
        Vector u[kTogether][A];
        for (int k = 0; k < kTogether; ++k) transform_filter(half[k][i], u[k]);
#pragma GCC unroll 6
        for (int j = 0; j < A; ++j, to += args.number_stride) {
          if constexpr (kTogether == 1)
            store_vector(to, u[0][j]);
          else
            S::put_pairs(to, u[0][j], u[1][j]);
        }
      }
    }
  }
}

template <typename S, int M>
RTDETR_INLINE void input(const WinogradInputArgs& args) {
  constexpr int A = M + 2;
  using Vector = typename S::Vector;
  for (std::int64_t c = 0; c < args.channels; c += S::kLanes) {
    Vector half[A][A];  // [row][column], columns transformed
    for (int j = 0; j < A; ++j) {
      Vector d[A], t[A];
#pragma GCC unroll 6
      for (int i = 0; i < A; ++i) d[i] = load_some<S>(args.pixel[i * A + j] + c, args.channels - c);
      transform_input(d, t);
#pragma GCC unroll 6
      for (int i = 0; i < A; ++i) half[i][j] = t[i];
    }
    auto* to = reinterpret_cast<typename S::Number*>(args.v) + c / kChunk * args.chunk_stride + c % kChunk;
    for (int i = 0; i < A; ++i) {
      Vector t[A];
      transform_input(half[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < A; ++j, to += args.number_stride) S::put(to, t[j]);
    }
  }
}

template <typename S, int M, FusedActivation F>
RTDETR_INLINE void output(const WinogradOutputArgs& args) {
  constexpr int A = M + 2;
  using Vector = typename S::Vector;
  for (std::int64_t c = 0; c < args.channels; c += S::kLanes) {
    const std::int64_t count = args.channels - c;
    Vector half[M][A];
    for (int j = 0; j < A; ++j) {
      Vector m[A], t[M];
#pragma GCC unroll 6
      for (int i = 0; i < A; ++i) m[i] = load_vector<Vector>(args.sums + (i * A + j) * args.number_stride + c);
      transform_output(m, t);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) half[i][j] = t[i];
    }
    const auto bias = load_vector<Vector>(args.bias + c);
    for (int i = 0; i < args.rows; ++i) {
      Vector t[M];
      transform_output(half[i], t);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) {
        if (j >= args.columns) break;
        const float* residual = args.residual + i * args.residual_row_stride + j * args.residual_pixel_stride + c;
        Vector v = t[j] + bias;
        if (args.place == ResidualPlace::kBeforeActivation) v += load_some<S>(residual, count);
        v = activated<F>(v);
        if (args.place == ResidualPlace::kAfterActivation) v += load_some<S>(residual, count);
        store_some<S>(args.y + i * args.y_row_stride + j * args.y_pixel_stride + c, v, count);
      }
    }
  }
}

// One table per instruction set.
#define RTDETR_WINOGRAD_KERNELS(Level, target)                                                                \
  template <int M>                                                                                            \
  struct Level##Winograd {                                                                                    \
    target static void filter_(const WinogradFilterArgs& args) { filter<Level##Numbers, M>(args); }           \
    target static void input_(const WinogradInputArgs& args) { input<Level##Numbers, M>(args); }              \
    target static void output_(const WinogradOutputArgs& args) {                                              \
      with_activation(args.activation,                                                                        \
                      [&]<FusedActivation F>() RTDETR_ALWAYS_INLINE { output<Level##Numbers, M, F>(args); }); \
    }                                                                                                         \
    static constexpr WinogradKernels table{filter_, input_, output_};                                         \
  };

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_WINOGRAD_KERNELS)
#if defined(__x86_64__)
RTDETR_WINOGRAD_KERNELS(BFloat16, RTDETR_TARGET_AVX512)
#endif

}  // namespace

const WinogradKernels& winograd_kernels(int outputs, NumberFormat format) {
  RTDETR_CHECK(format != NumberFormat::kInt8 && can_multiply(format), "Winograd's products cannot be of that format");
#if defined(__x86_64__)
  if (format == NumberFormat::kBFloat16) return outputs == 2 ? BFloat16Winograd<2>::table : BFloat16Winograd<4>::table;
#endif
  return outputs == 2 ? at_cpu_level(BaselineWinograd<2>::table, Avx2Winograd<2>::table, Avx512Winograd<2>::table)
                      : at_cpu_level(BaselineWinograd<4>::table, Avx2Winograd<4>::table, Avx512Winograd<4>::table);
}

}  // namespace rtdetr
