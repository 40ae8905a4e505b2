// Tiles of a product. A tile's sums stay in registers over the whole of K: 14 rows of two 16-float vectors with
// AVX-512 (28 of 32 registers), 6 of two 8-float ones with AVX2 (12 of 16). Each number of a row is spread over a
// vector and multiplied with the column panel's vectors; of narrow numbers, two or four at a time (panel_numbers.h).
#include "core/ops/packed/packed_kernels.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"
#include "core/base/simd.h"
#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/packed_shapes.h"
#include "core/ops/packed/panel_numbers.h"

namespace rtdetr {
namespace {

/// One word of each row with one row of the column panel.
template <typename S, int R, int N>
RTDETR_INLINE void step(typename S::Sum (&sums)[R][N], const float* a, const float* b) {
  typename S::Vector columns[N];
#pragma GCC unroll 2
  for (int n = 0; n < N; ++n) columns[n] = load_vector<typename S::Vector>(b + n * S::kLanes);
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
    const auto row = S::spread(a + r * chunk_words(S::kFormat));
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) S::add(sums[r][n], row, columns[n]);
  }
}

template <typename S, int R, int N, bool First, bool Relu, bool Last>
RTDETR_INLINE void store_tile(const typename S::Sum (&sums)[R][N], const TileArgs& t) {
  using Vector = typename S::Vector;
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) {
      Vector v = S::result(sums[r][n], t.bias + n * S::kLanes, t.scale + n * S::kLanes);
      const float* residual = t.residual + r * t.residual_stride + n * S::kLanes;
      if constexpr (First) v += load_vector<Vector>(residual);
      if constexpr (Relu) v = activated<FusedActivation::kRelu>(v);
      if constexpr (Last) v += load_vector<Vector>(residual);
      store_vector(t.y + r * t.y_stride + n * S::kLanes, v);
    }
  }
}

template <typename S, int R, int N>
RTDETR_INLINE void tile(const TileArgs& t) {
  constexpr int kColumns = N * S::kLanes;
  constexpr std::int64_t kWords = chunk_words(S::kFormat);
  typename S::Sum sums[R][N];
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) sums[r][n] = S::first(t.bias ? t.bias + n * S::kLanes : nullptr);

      // Written at the end, when fetching them would be waited for.
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < kColumns; n += 16) __builtin_prefetch(t.y + r * t.y_stride + n, 1);

  const float *a = t.a, *b = t.b, *next = t.next;
  for (std::int64_t chunks = t.words / kWords; chunks > 0; --chunks, a += R * kWords, b += kWords * kColumns) {
    for (std::int64_t r = 0; r < t.next_rows; ++r) __builtin_prefetch(next + r * t.next_step);
    next += kChunk;
#pragma GCC unroll 16
    for (int i = 0; i < kWords; ++i) step<S, R, N>(sums, a + i, b + i * kColumns);
  }
  for (std::int64_t i = 0; i < t.words % kWords; ++i) step<S, R, N>(sums, a + i, b + i * kColumns);

  const bool first = t.residual && !t.residual_last, last = t.residual && t.residual_last;
  if (first)
    return t.relu ? store_tile<S, R, N, true, true, false>(sums, t) : store_tile<S, R, N, true, false, false>(sums, t);
  if (last)
    return t.relu ? store_tile<S, R, N, false, true, true>(sums, t) : store_tile<S, R, N, false, false, true>(sums, t);
  return t.relu ? store_tile<S, R, N, false, true, false>(sums, t) : store_tile<S, R, N, false, false, false>(sums, t);
}

template <typename S, FusedActivation A>
RTDETR_INLINE void finish_rows(const FinishArgs& f) {
  for (std::int64_t r = 0; r < f.rows; ++r) {
    const float *from = f.from + r * f.from_stride, *residual = f.residual + r * f.residual_stride;
    float* y = f.y + r * f.y_stride;
    for (std::int64_t c = 0; c < f.columns; c += S::kLanes) {
      const std::int64_t count = f.columns - c;
      auto v = load_some<S>(from + c, count);
      if (f.place == ResidualPlace::kBeforeActivation) v += load_some<S>(residual + c, count);
      v = activated<A>(v);
      if (f.place == ResidualPlace::kAfterActivation) v += load_some<S>(residual + c, count);
      store_some<S>(y + c, v, count);
    }
  }
}

template <typename S>
RTDETR_INLINE void finish(const FinishArgs& f) {
  with_activation(f.activation, [&]<FusedActivation A>() RTDETR_ALWAYS_INLINE { finish_rows<S, A>(f); });
}

template <typename S>
RTDETR_INLINE void copy_run(const RunArgs& run) {
  static constexpr float kZeros[kChunk] = {};
  auto* to = reinterpret_cast<typename S::Number*>(run.row) + run.k / kChunk * run.panel_rows * kChunk;
  std::int64_t at = run.k % kChunk, done = 0;
  while (done < run.count) {
    const std::int64_t n = std::min(kChunk - at, run.count - done);
    const float* from = run.from ? run.from + done : kZeros;
    if (n == kChunk)
      S::copy_chunk(from, to, run.bytes);
    else
      S::copy_some(from, n, to + at, run.bytes);
    done += n;
    to += run.panel_rows * kChunk;
    at = 0;
  }
}

template <typename S>
RTDETR_INLINE void copy_windows(const CopyArgs& args) {
  const bool to_the_end = args.first_row + args.rows == args.panel_rows;
  const CopyPiece *piece = args.pieces, *end = piece + args.piece_count;
  while (piece < end) {
    const CopyPiece* next = piece;
    while (next < end && next->chunk == piece->chunk) ++next;
    const float* from = args.from;
    auto* to =
        reinterpret_cast<typename S::Number*>(args.panel) + (piece->chunk * args.panel_rows + args.first_row) * kChunk;
    if (next == piece + 1 && piece->lane == 0) {
      for (std::int64_t r = 0; r < args.rows; ++r, from += args.step, to += kChunk)
        S::copy_chunk(from + piece->from, to, args.bytes);
    } else {  // what spills over to the next row is copied after it
      for (std::int64_t r = 0; r < args.rows; ++r, from += args.step, to += kChunk) {
        const bool last = to_the_end && r + 1 == args.rows;
        for (const CopyPiece* p = piece; p < next; ++p) {
          if (last && p->lane > 0)  // the others would spill out of the panel
            S::copy_some(from + p->from, p->count, to + p->lane, args.bytes);
          else
            S::copy_chunk(from + p->from, to + p->lane, args.bytes);
        }
      }
    }
    piece = next;
  }
}

// One table per instruction set and format.
#define RTDETR_PACKED_KERNELS(Name, target)                                                       \
  struct Name##Kernels {                                                                          \
    template <int R, int N>                                                                       \
    target static void tile_(const TileArgs& t) {                                                 \
      tile<Name##Numbers, R, N>(t);                                                               \
    }                                                                                             \
    target static void finish_(const FinishArgs& f) { finish<Name##Numbers>(f); }                 \
    target static void copy_run_(const RunArgs& args) { copy_run<Name##Numbers>(args); }          \
    target static void copy_windows_(const CopyArgs& args) { copy_windows<Name##Numbers>(args); } \
    template <std::size_t... R>                                                                   \
    static constexpr PackedKernels make(std::index_sequence<R...>) {                              \
      return {Name##Numbers::kLanes,                                                              \
              Name##Numbers::kRows,                                                               \
              Name##Numbers::kFormat,                                                             \
              {{tile_<static_cast<int>(R) + 1, 1>, tile_<static_cast<int>(R) + 1, 2>}...},        \
              finish_,                                                                            \
              copy_run_,                                                                          \
              copy_windows_};                                                                     \
    }                                                                                             \
  };                                                                                              \
  constexpr PackedKernels k##Name = Name##Kernels::make(std::make_index_sequence<Name##Numbers::kRows>());

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_PACKED_KERNELS)
#if defined(__x86_64__)
RTDETR_PACKED_KERNELS(BFloat16, RTDETR_TARGET_AVX512)
RTDETR_PACKED_KERNELS(Int8, RTDETR_TARGET_AVX512)
#endif

}  // namespace

const PackedKernels& packed_kernels(NumberFormat format) {
  RTDETR_CHECK(can_multiply(format), "this processor cannot multiply numbers of that format");
#if defined(__x86_64__)
  if (format == NumberFormat::kBFloat16) return kBFloat16;
  if (format == NumberFormat::kInt8) return kInt8;
#endif
  return at_cpu_level(kBaseline, kAvx2, kAvx512);
}

}  // namespace rtdetr
