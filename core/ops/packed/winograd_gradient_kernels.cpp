// The transforms are those of winograd_kernels.cpp turned over: A for Aᵀ, Gᵀ for G.
#include "core/ops/packed/winograd_gradient_kernels.h"

#include "core/ops/packed/packed_shapes.h"

namespace rtdetr {
namespace {

constexpr float kRootHalf = 0.707106781186547524F, kRootTwo = 1.41421356237309505F;

template <typename V>
RTDETR_INLINE void spread_gradient(const V (&y)[4], V (&t)[6]) {
  const V even_small = y[0] + 0.5F * y[2], odd_small = kRootHalf * (y[1] + 0.5F * y[3]);
  const V even_large = y[0] + 2.0F * y[2], odd_large = kRootTwo * (y[1] + 2.0F * y[3]);
  t[0] = y[0];
  t[1] = even_small + odd_small;
  t[2] = even_small - odd_small;
  t[3] = even_large + odd_large;
  t[4] = even_large - odd_large;
  t[5] = y[3];
}

template <typename V>
RTDETR_INLINE void spread_gradient(const V (&y)[2], V (&t)[4]) {
  t[0] = y[0];
  t[1] = y[0] + y[1];
  t[2] = y[0] - y[1];
  t[3] = y[1];
}

template <typename V>
RTDETR_INLINE void gather_filter(const V (&u)[6], V (&g)[3]) {
  const V even_small = u[1] + u[2], odd_small = u[2] - u[1], even_large = u[3] + u[4], odd_large = u[3] - u[4];
  g[0] = u[0] - (2.0F / 3) * even_small + (1.0F / 6) * even_large;
  g[1] = (kRootTwo / 3) * odd_small + (kRootTwo / 6) * odd_large;
  g[2] = u[5] + (1.0F / 3) * (even_large - even_small);
}

template <typename V>
RTDETR_INLINE void gather_filter(const V (&u)[4], V (&g)[3]) {
  const V even = 0.5F * (u[1] + u[2]);
  g[0] = u[0] + even;
  g[1] = 0.5F * (u[1] - u[2]);
  g[2] = u[3] + even;
}

template <typename S>
RTDETR_INLINE void scatter(float* to, std::int64_t stride, typename S::Vector v, std::int64_t count) {
  if (stride == 1) return store_some<S>(to, v, count);
  float lanes[S::kLanes];
  store_vector(lanes, v);
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, S::kLanes); ++i) to[i * stride] = lanes[i];
}

template <typename S, int M>
RTDETR_INLINE void gradient(const WinogradInputArgs& args) {
  constexpr int A = M + 2;
  using Vector = typename S::Vector;
  for (std::int64_t c = 0; c < args.channels; c += S::kLanes) {
    Vector half[A][M];  // [row][column], columns spread
    for (int j = 0; j < M; ++j) {
      Vector d[M], t[A];
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) d[i] = load_some<S>(args.pixel[i * M + j] + c, args.channels - c);
      spread_gradient(d, t);
#pragma GCC unroll 6
      for (int i = 0; i < A; ++i) half[i][j] = t[i];
    }
    float* to = args.v + c / kChunk * args.chunk_stride + c % kChunk;
    for (int i = 0; i < A; ++i) {
      Vector t[A];
      spread_gradient(half[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < A; ++j, to += args.number_stride) store_vector(to, t[j]);
    }
  }
}

/// R rows by N vectors. Sums over k are taken apart and added to those of earlier blocks: half the error of one long
/// sum.
template <typename S, int R, int N>
RTDETR_INLINE void add_block(const WinogradSumArgs& args, std::int64_t row, std::int64_t column) {
  using Vector = typename S::Vector;
  float* to = args.sums + row * args.row_stride + column;
  const float *left = args.left + row, *right[N];
  Vector sums[R][N];
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
    const std::int64_t c = column + n * S::kLanes;
    right[n] = args.right + c / kChunk * args.k * kChunk + c % kChunk;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sums[r][n] = Vector{};
#pragma GCC unroll 4
  for (std::int64_t k = 0; k < args.k * kChunk; k += kChunk) {
    Vector columns[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) columns[n] = load_vector<Vector>(right[n] + k);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sums[r][n] += columns[n] * left[k + r];
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      float* at = to + r * args.row_stride + n * S::kLanes;
      store_vector(at, args.first ? sums[r][n] : load_vector<Vector>(at) + sums[r][n]);
    }
}

/// With AVX-512 8 rows by 2 vectors, with the others 4 by 2: 16 and 8 sums, as many as multiply-adds are under way.
template <typename S>
RTDETR_INLINE void add_products(const WinogradSumArgs& args) {
  constexpr int R = S::kLanes == 16 ? 8 : 4;
  const std::int64_t columns = args.chunks * kChunk;
  for (std::int64_t row = 0; row < kChunk; row += R) {
    std::int64_t c = 0;
    for (; c + 2 * S::kLanes <= columns; c += 2 * S::kLanes) add_block<S, R, 2>(args, row, c);
    if (c < columns) add_block<S, R, 1>(args, row, c);
  }
}

template <typename S, int M>
RTDETR_INLINE void filter_gradient(const WinogradFilterGradientArgs& args) {
  constexpr int A = M + 2;
  using Vector = typename S::Vector;
  for (std::int64_t n = 0; n < args.filters; n += S::kLanes) {
    Vector half[3][A];
    for (int j = 0; j < A; ++j) {
      Vector u[A], g[3];
#pragma GCC unroll 6
      for (int i = 0; i < A; ++i) u[i] = load_vector<Vector>(args.sums + (i * A + j) * args.number_stride + n);
      gather_filter(u, g);
      for (int r = 0; r < 3; ++r) half[r][j] = g[r];
    }
    for (int r = 0; r < 3; ++r) {
      Vector g[3];
      gather_filter(half[r], g);
      for (int c = 0; c < 3; ++c)
        scatter<S>(args.to + n * args.filter_stride + (r * 3 + c) * args.tap_stride, args.filter_stride, g[c],
                   args.filters - n);
    }
  }
}

// One table per instruction set.
#define RTDETR_WINOGRAD_GRADIENT_KERNELS(Level, target)                                                 \
  template <int M>                                                                                      \
  struct Level##WinogradGradient {                                                                      \
    target static void gradient_(const WinogradInputArgs& args) { gradient<Level##Shape, M>(args); }    \
    target static void add_products_(const WinogradSumArgs& args) { add_products<Level##Shape>(args); } \
    target static void filter_gradient_(const WinogradFilterGradientArgs& args) {                       \
      filter_gradient<Level##Shape, M>(args);                                                           \
    }                                                                                                   \
    static constexpr WinogradGradientKernels table{gradient_, add_products_, filter_gradient_};         \
  };

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_WINOGRAD_GRADIENT_KERNELS)

}  // namespace

const WinogradGradientKernels& winograd_gradient_kernels(int outputs) {
  return outputs == 2 ? at_cpu_level(BaselineWinogradGradient<2>::table, Avx2WinogradGradient<2>::table,
                                     Avx512WinogradGradient<2>::table)
                      : at_cpu_level(BaselineWinogradGradient<4>::table, Avx2WinogradGradient<4>::table,
                                     Avx512WinogradGradient<4>::table);
}

}  // namespace rtdetr
