// Tiles of a product. A tile's sums stay in registers over the whole of K: 14 rows of two 16-float vectors with
// AVX-512 (28 of 32 registers), 6 of two 8-float ones with AVX2 (12 of 16). Each number of a row is spread over a
// vector and multiplied with the column panel's vectors; of narrow numbers, two or four at a time (panel_numbers.h).
// AMX's tiles of these stand behind: 32 rows at a time.
#include "core/ops/packed/packed_kernels.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/base/check.h"
#include "core/base/simd.h"
#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/packed_shapes.h"
#include "core/ops/packed/panel_numbers.h"

namespace rtdetr {
namespace {

/// Only tiles read maps of bf16. Calls body.template operator()<Number>().
template <typename S, typename Body>
RTDETR_INLINE void with_tile_numbers(NumberFormat map, const Body& body) {
  if constexpr (S::kPanelChunk > kChunk)
    with_numbers<S>(map, body);
  else
    body.template operator()<float>();
}

/// One word of each row with one row of the column panel.
template <typename S, int R, int N>
RTDETR_INLINE void step(typename S::Sum (&sums)[R][N], const float* a, const float* b) {
  typename S::Vector columns[N];
#pragma GCC unroll 2
  for (int n = 0; n < N; ++n) columns[n] = load_vector<typename S::Vector>(b + n * S::kLanes);
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
    const auto row = S::spread(a + r * (kChunk / numbers_in_word(S::kFormat)));
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
      const float* residual = t.residual.floats() + r * t.residual_stride + n * S::kLanes;
      if constexpr (First) v += load_vector<Vector>(residual);
      if constexpr (Relu) v = activated<FusedActivation::kRelu>(v);
      if constexpr (Last) v += load_vector<Vector>(residual);
      store_vector(t.y.floats() + r * t.y_stride + n * S::kLanes, v);
    }
  }
}

template <typename S, int R, int N>
RTDETR_INLINE void tile(const TileArgs& t) {
  constexpr int kColumns = N * S::kLanes;
  constexpr std::int64_t kWords = kChunk / numbers_in_word(S::kFormat);
  typename S::Sum sums[R][N];
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) sums[r][n] = S::first(t.bias ? t.bias + n * S::kLanes : nullptr);

      // Written at the end, when fetching them would be waited for.
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
    for (int n = 0; n < kColumns; n += 16) __builtin_prefetch(t.y.floats() + r * t.y_stride + n, 1);

  const float *a = t.a, *b = t.b;
  const std::byte* next = t.next;
  for (std::int64_t chunks = t.words / kWords; chunks > 0; --chunks, a += R * kWords, b += kWords * kColumns) {
    for (std::int64_t r = 0; r < t.next_rows; ++r) __builtin_prefetch(next + r * t.next_step);
    next += kChunk * sizeof(float);
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

/// @tparam Number  of the map
template <typename S, FusedActivation A, typename Number>
RTDETR_INLINE void finish_rows(const FinishArgs& f) {
  for (std::int64_t r = 0; r < f.rows; ++r) {
    const float* from = f.from + r * f.from_stride;
    const auto* residual = f.residual.template numbers<Number>() + r * f.residual_stride;
    auto* y = f.y.template numbers<Number>() + r * f.y_stride;
    for (std::int64_t c = 0; c < f.columns; c += S::kLanes) {
      const std::int64_t count = f.columns - c;
      auto v = load_some<S>(from + c, count);
      if (f.place == ResidualPlace::kBeforeActivation) v += load_some<S>(residual + c, count);
      v = std::is_same_v<Number, float> ? activated<A>(v) : coarsely_activated<A>(v);
      if (f.place == ResidualPlace::kAfterActivation) v += load_some<S>(residual + c, count);
      store_some<S>(y + c, v, count);
    }
  }
}

template <typename S>
RTDETR_INLINE void finish(const FinishArgs& f) {
  with_numbers<S>(f.y.format, [&]<typename Number>() RTDETR_ALWAYS_INLINE {
    with_activation(f.activation, [&]<FusedActivation A>() RTDETR_ALWAYS_INLINE { finish_rows<S, A, Number>(f); });
  });
}

/// @tparam From  of the map
template <typename S, typename From>
RTDETR_INLINE void copy_numbers(const RunArgs& run) {
  static constexpr From kZeros[kChunk] = {};
  constexpr std::int64_t kPanelChunk = S::kPanelChunk;
  if constexpr (std::is_same_v<From, typename S::Number>) {
    if (run.from && run.panel_rows == 1) {
      std::copy_n(run.from.template numbers<From>(), run.count, reinterpret_cast<From*>(run.row) + run.k);
      return;
    }
  }
  auto* to = reinterpret_cast<typename S::Number*>(run.row) + run.k / kPanelChunk * run.panel_rows * kPanelChunk;
  std::int64_t at = run.k % kPanelChunk, done = 0;
  while (done < run.count) {
    const std::int64_t n = std::min(kChunk - at % kChunk, run.count - done);
    const From* from = run.from ? run.from.template numbers<From>() + done : kZeros;
    if (n == kChunk)
      S::copy_chunk(from, to + at, run.bytes);
    else
      S::copy_some(from, n, to + at, run.bytes);
    done += n;
    at += n;
    if (at == kPanelChunk) {
      to += run.panel_rows * kPanelChunk;
      at = 0;
    }
  }
}

template <typename S>
RTDETR_INLINE void copy_run(const RunArgs& run) {
  with_tile_numbers<S>(run.from.format, [&]<typename From>() RTDETR_ALWAYS_INLINE { copy_numbers<S, From>(run); });
}

template <typename S, typename From>
RTDETR_INLINE void copy_window_numbers(const CopyArgs& args) {
  constexpr std::int64_t kPanelChunk = S::kPanelChunk;
  const bool to_the_end = args.first_row + args.rows == args.panel_rows;
  const CopyPiece *piece = args.pieces, *end = piece + args.piece_count;
  while (piece < end) {
    const CopyPiece* next = piece;
    while (next < end && next->chunk == piece->chunk) ++next;
    const auto* from = args.from.template numbers<From>();
    auto* to = reinterpret_cast<typename S::Number*>(args.panel) +
               (piece->chunk * args.panel_rows + args.first_row) * kPanelChunk;
    if (next == piece + 1 && piece->lane == 0) {
      for (std::int64_t r = 0; r < args.rows; ++r, from += args.step, to += kPanelChunk)
        S::copy_chunk(from + piece->from, to, args.bytes);
    } else {  // what spills over to the next row is copied after it
      for (std::int64_t r = 0; r < args.rows; ++r, from += args.step, to += kPanelChunk) {
        const bool last = to_the_end && r + 1 == args.rows;
        for (const CopyPiece* p = piece; p < next; ++p) {
          if (last && p->lane + kChunk > kPanelChunk)  // the others would spill out of the panel
            S::copy_some(from + p->from, p->count, to + p->lane, args.bytes);
          else
            S::copy_chunk(from + p->from, to + p->lane, args.bytes);
        }
      }
    }
    piece = next;
  }
}

template <typename S>
RTDETR_INLINE void copy_windows(const CopyArgs& args) {
  with_tile_numbers<S>(args.from.format,
                       [&]<typename From>() RTDETR_ALWAYS_INLINE { copy_window_numbers<S, From>(args); });
}

#if defined(__x86_64__)

/// What the tile registers hold while 32 rows are multiplied: 0 and 1 the sums of the first sixteen rows, 2 and 3 of
/// the others, 4 and 5 their numbers, 6 and 7 the columns'.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  explicit TileShapes(int count) {
    const auto first = static_cast<std::uint8_t>(std::min(count, 16)),
               second = static_cast<std::uint8_t>(count - first);
    const std::uint8_t of_tile[8] = {first, first, second, second, first, second, 16, 16};
    for (int tile = 0; tile < 8; ++tile) {
      rows[tile] = of_tile[tile];
      row_bytes[tile] = of_tile[tile] > 0 ? 64 : 0;
    }
  }
};

/// Of this thread; 0: none.
thread_local int shaped_rows = 0;

RTDETR_INLINE void shape_tiles(int rows) {
  if (shaped_rows == rows) return;
  const TileShapes shapes(rows);
  asm volatile("ldtilecfg %0" ::"m"(shapes));
  shaped_rows = rows;
}

void leave_tiles() {
  asm volatile("tilerelease");
  shaped_rows = 0;
}

#define RTDETR_TILE_ZERO(tile) asm volatile("tilezero %%tmm" #tile ::)
#define RTDETR_TILE_LOAD(tile, from, step) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(static_cast<std::int64_t>(step)) : "memory")
#define RTDETR_TILE_STORE(tile, to, step) \
  asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(static_cast<std::int64_t>(step)) : "memory")
/// sums += rows · columns
#define RTDETR_TILE_ADD(sums, rows, columns)                                       \
  do {                                                                             \
    if constexpr (S::kFormat == NumberFormat::kBFloat16)                           \
      asm volatile("tdpbf16ps %%tmm" #columns ", %%tmm" #rows ", %%tmm" #sums ::); \
    else                                                                           \
      asm volatile("tdpbusd %%tmm" #columns ", %%tmm" #rows ", %%tmm" #sums ::);   \
  } while (false)

/// @tparam Two  more than sixteen rows  @tparam Apart  rows that lie where t.offsets says
template <typename S, int N, bool Two, bool Apart>
RTDETR_INLINE void multiply_tiles(const TileArgs& t, float* sums) {
  constexpr std::int64_t kWords = 16, kSumStep = kMaxVectors * kMaxLanes * 4;
  RTDETR_TILE_ZERO(0);
  if constexpr (N == 2) RTDETR_TILE_ZERO(1);
  if constexpr (Two) RTDETR_TILE_ZERO(2);
  if constexpr (Two && N == 2) RTDETR_TILE_ZERO(3);
  const float* b = t.b;
  const std::int64_t step = Apart ? t.row_bytes : 64;
  for (std::int64_t chunk = 0; chunk < t.words / kWords; ++chunk, b += kWords * N * S::kLanes) {
    const float* a = t.a + (Apart ? t.offsets[chunk] : chunk * t.rows * kWords);
    RTDETR_TILE_LOAD(6, b, N * 64);
    RTDETR_TILE_LOAD(4, a, step);
    RTDETR_TILE_ADD(0, 4, 6);
    if constexpr (N == 2) {
      RTDETR_TILE_LOAD(7, b + S::kLanes, N * 64);
      RTDETR_TILE_ADD(1, 4, 7);
    }
    if constexpr (Two) {
      RTDETR_TILE_LOAD(5, a + 4 * step, step);
      RTDETR_TILE_ADD(2, 5, 6);
      if constexpr (N == 2) RTDETR_TILE_ADD(3, 5, 7);
    }
  }
  RTDETR_TILE_STORE(0, sums, kSumStep);
  if constexpr (N == 2) RTDETR_TILE_STORE(1, sums + S::kLanes, kSumStep);
  if constexpr (Two) RTDETR_TILE_STORE(2, sums + 16 * kMaxVectors * kMaxLanes, kSumStep);
  if constexpr (Two && N == 2) RTDETR_TILE_STORE(3, sums + 16 * kMaxVectors * kMaxLanes + S::kLanes, kSumStep);
}

/// Sums of the tiles, finished as store_tile does it. @tparam Number  of the map
template <typename S, int N, typename Number>
RTDETR_INLINE void finish_tiles(const TileArgs& t, const float* sums) {
  using Vector = typename S::Vector;
  const auto* residual = t.residual.template numbers<Number>();
  auto* y = t.y.template numbers<Number>();
  for (int r = 0; r < t.rows; ++r, sums += kMaxVectors * kMaxLanes, residual += t.residual_stride, y += t.y_stride) {
    Vector v[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) {
      typename S::Sum sum;
      std::memcpy(&sum, sums + n * S::kLanes, sizeof sum);
      v[n] = S::result(sum, t.bias + n * S::kLanes, t.scale + n * S::kLanes);
      if constexpr (S::kFormat == NumberFormat::kBFloat16) v[n] += load_vector<Vector>(t.bias + n * S::kLanes);
      if (t.residual && !t.residual_last) v[n] += load_numbers<S>(residual + n * S::kLanes);
      if (t.relu) v[n] = activated<FusedActivation::kRelu>(v[n]);
      if (t.residual && t.residual_last) v[n] += load_numbers<S>(residual + n * S::kLanes);
    }
    if constexpr (N == 2)
      store_numbers(y, v[0], v[1]);
    else
      store_numbers(y, v[0]);
  }
}

template <typename S, int N>
RTDETR_INLINE void tile_of_tiles(const TileArgs& t) {
  alignas(64) float sums[kTileRows * kMaxVectors * kMaxLanes];
  shape_tiles(t.rows);
  for (std::int64_t r = 0; r < t.next_rows; ++r) __builtin_prefetch(t.next + r * t.next_step);
  for (std::int64_t r = 0; r < t.rows; ++r) {
    __builtin_prefetch((t.y + r * t.y_stride).data, 1);
    if (t.residual) __builtin_prefetch((t.residual + r * t.residual_stride).data);
  }
  if (t.offsets)
    t.rows > 16 ? multiply_tiles<S, N, true, true>(t, sums) : multiply_tiles<S, N, false, true>(t, sums);
  else
    t.rows > 16 ? multiply_tiles<S, N, true, false>(t, sums) : multiply_tiles<S, N, false, false>(t, sums);
  with_numbers<S>(t.y.format, [&]<typename Number>() RTDETR_ALWAYS_INLINE { finish_tiles<S, N, Number>(t, sums); });
}

/// AMX's table for one format.
template <typename S>
struct TileKernels {
  RTDETR_TARGET_AVX512 static void tile_1(const TileArgs& t) { tile_of_tiles<S, 1>(t); }
  RTDETR_TARGET_AVX512 static void tile_2(const TileArgs& t) { tile_of_tiles<S, 2>(t); }
  RTDETR_TARGET_AVX512 static void finish_rows(const FinishArgs& f) { finish<S>(f); }
  RTDETR_TARGET_AVX512 static void copy_one_run(const RunArgs& args) { copy_run<S>(args); }
  RTDETR_TARGET_AVX512 static void copy_all_windows(const CopyArgs& args) { copy_windows<S>(args); }
  template <std::size_t... R>
  static constexpr PackedKernels make(std::index_sequence<R...>) {
    return {S::kLanes,   kTileRows,    S::kFormat,       S::kPanelChunk, {{(static_cast<void>(R), tile_1), tile_2}...},
            finish_rows, copy_one_run, copy_all_windows, leave_tiles};
  }
};
constexpr PackedKernels kBFloat16Tiles = TileKernels<BFloat16TileNumbers>::make(std::make_index_sequence<kTileRows>());
constexpr PackedKernels kInt8Tiles = TileKernels<Int8TileNumbers>::make(std::make_index_sequence<kTileRows>());

#endif

// One table per instruction set and format.
// NOLINTBEGIN(bugprone-macro-parentheses): an attribute takes none
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
              kChunk,                                                                             \
              {{tile_<static_cast<int>(R) + 1, 1>, tile_<static_cast<int>(R) + 1, 2>}...},        \
              finish_,                                                                            \
              copy_run_,                                                                          \
              copy_windows_};                                                                     \
    }                                                                                             \
  };                                                                                              \
  constexpr PackedKernels k##Name = Name##Kernels::make(std::make_index_sequence<Name##Numbers::kRows>());
// NOLINTEND(bugprone-macro-parentheses)

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

const PackedKernels& product_kernels(NumberFormat format) {
#if defined(__x86_64__)
  if (has_tile_products() && format == NumberFormat::kBFloat16) return kBFloat16Tiles;
  if (has_tile_products() && format == NumberFormat::kInt8) return kInt8Tiles;
#endif
  return packed_kernels(format);
}

}  // namespace rtdetr
