// The idea: keys are transposed once a head, so that a block of queries meets a vector of keys at a time; the block's
// scores stay in the nearest cache until they are shares, and are multiplied with the values from there. Sums stay in
// registers: 8 rows of two vectors with AVX-512, 4 with fewer registers.
#include "core/ops/packed/attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ops/packed/packed_activation.h"
#include "core/ops/packed/packed_shapes.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kBlock = 8;     // queries of a task
constexpr std::int64_t kPadding = 32;  // keys are padded to so many, two vectors of the longest kind

std::int64_t padded(std::int64_t rows) { return (rows + kPadding - 1) / kPadding * kPadding; }

/// One head.
struct HeadArgs {
  std::int64_t keys, padded_keys, width;
  const float *queries, *transposed, *values;
  std::int64_t query_stride, value_stride;
  float* out;
  std::int64_t out_stride;
  float* scores;  ///< [kBlock, padded_keys]
  float scale;
};

template <typename S, int R>
RTDETR_INLINE void score(const HeadArgs& h) {
  using Vector = typename S::Vector;
  constexpr int kColumns = 2 * S::kLanes;
  for (std::int64_t j = 0; j < h.padded_keys; j += kColumns) {
    Vector sums[R][2] = {};
    for (std::int64_t c = 0; c < h.width; ++c) {
      const float* keys = h.transposed + c * h.padded_keys + j;
      const Vector first = load_vector<Vector>(keys), second = load_vector<Vector>(keys + S::kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float q = h.queries[r * h.query_stride + c];
        sums[r][0] += first * q;
        sums[r][1] += second * q;
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      store_vector(h.scores + r * h.padded_keys + j, sums[r][0]);
      store_vector(h.scores + r * h.padded_keys + j + S::kLanes, sums[r][1]);
    }
  }
}

/// @tparam Coarse  to the precision of bf16
template <typename S, bool Coarse>
RTDETR_INLINE float exponentiate_row(float* row, std::int64_t count, std::int64_t padded_count, float scale) {
  using Vector = typename S::Vector;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  std::fill(row + count, row + padded_count, kLowest);
  Vector most = Vector{} + kLowest;
  for (std::int64_t j = 0; j < padded_count; j += S::kLanes) {
    const Vector x = load_vector<Vector>(row + j);
    most = x > most ? x : most;
  }
  float largest = most[0];
  for (int i = 1; i < S::kLanes; ++i) largest = std::max<float>(largest, most[i]);
  Vector sums = {};
  for (std::int64_t j = 0; j < padded_count; j += S::kLanes) {
    const Vector x = (load_vector<Vector>(row + j) - largest) * scale, e = Coarse ? coarse_exp(x) : exp_of(x);
    store_vector(row + j, e);
    if (j + S::kLanes <= count) sums += e;
  }
  std::fill(row + count, row + padded_count, 0.0F);
  float sum = 0;
  for (int i = 0; i < S::kLanes; ++i) sum += sums[i];
  for (std::int64_t j = count / S::kLanes * S::kLanes; j < count; ++j) sum += row[j];
  return sum;
}

/// Columns [c, c + N vectors) of the block's results. @param columns  that there are
template <typename S, int R, int N>
RTDETR_INLINE void mix(const HeadArgs& h, std::int64_t c, std::int64_t columns, const float* sums) {
  using Vector = typename S::Vector;
  Vector mixed[R][N] = {};
  const bool whole = columns >= N * S::kLanes;
  for (std::int64_t j = 0; j < h.keys; ++j) {
    const float* value = h.values + j * h.value_stride + c;
    Vector v[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n)
      v[n] = whole ? load_vector<Vector>(value + n * S::kLanes) : load_some<S>(value + n * S::kLanes, columns);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float share = h.scores[r * h.padded_keys + j];
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) mixed[r][n] += v[n] * share;
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n)
      store_some<S>(h.out + r * h.out_stride + c + n * S::kLanes, mixed[r][n] * (1 / sums[r]), columns - n * S::kLanes);
  }
}

template <typename S, int R>
RTDETR_INLINE void attend(const HeadArgs& h) {
  score<S, R>(h);
  float sums[R];
  for (int r = 0; r < R; ++r)
    sums[r] = exponentiate_row<S, false>(h.scores + r * h.padded_keys, h.keys, h.padded_keys, h.scale);
  std::int64_t c = 0;
  for (; c + 2 * S::kLanes <= h.width; c += 2 * S::kLanes) mix<S, R, 2>(h, c, h.width - c, sums);
  for (; c < h.width; c += S::kLanes) mix<S, R, 1>(h, c, h.width - c, sums);
}

/// `rows` queries of a head. A row's numbers do not depend on the rows beside it.
template <typename S>
RTDETR_INLINE void attend_rows(HeadArgs h, std::int64_t rows) {
  constexpr int kRows = S::kLanes == 16 ? 8 : 4;
  const auto advance = [&](std::int64_t by) {
    h.queries += by * h.query_stride;
    h.out += by * h.out_stride;
    rows -= by;
  };
  for (; rows >= kRows; advance(kRows)) attend<S, kRows>(h);
  for (; rows > 0; advance(1)) attend<S, 1>(h);
}

template <typename S>
RTDETR_INLINE void place_query(const SampledRows& s, std::int64_t q) {
  const std::int64_t all = s.heads * s.points;
  const float *box = s.boxes + q * s.box_stride, *offsets = s.offsets + q * s.offset_stride,
              *scores = s.scores + q * s.score_stride;
  float *places = s.places + q * all * 2, *shares = s.shares + q * all;
  for (std::int64_t i = 0; i < all; ++i) {
    places[2 * i] = box[0] + offsets[2 * i] * box[2];
    places[2 * i + 1] = box[1] + offsets[2 * i + 1] * box[3];
  }
  for (std::int64_t m = 0; m < s.heads; ++m) {
    const float* score = scores + m * s.points;
    const float largest = *std::max_element(score, score + s.points);
    for (std::int64_t p = 0; p < s.points; ++p) shares[m * s.points + p] = score[p] - largest;
  }
  using Vector = typename S::Vector;
  for (std::int64_t i = 0; i < all; i += S::kLanes)
    store_some<S>(shares + i, exp_of(load_some<S>(shares + i, all - i)), all - i);
  static_assert(sizeof(Vector) == sizeof(float) * S::kLanes);
  for (std::int64_t m = 0; m < s.heads; ++m) {
    float* share = shares + m * s.points;
    float sum = 0;
    for (std::int64_t p = 0; p < s.points; ++p) sum += share[p];
    for (std::int64_t p = 0; p < s.points; ++p) share[p] /= sum;
  }
}

struct AttentionKernels {
  void (*attend)(const HeadArgs& h, std::int64_t rows);
  void (*place)(const SampledRows& s, std::int64_t q);
  float (*exponentiate)(float* row, std::int64_t count, std::int64_t padded_count, float scale);
};

// One table per instruction set.
#define RTDETR_ATTENTION_KERNELS(Level, target)                                                               \
  target void attend_##Level(const HeadArgs& h, std::int64_t rows) { attend_rows<Level##Shape>(h, rows); }    \
  target void place_##Level(const SampledRows& s, std::int64_t q) { place_query<Level##Shape>(s, q); }        \
  target float exponentiate_##Level(float* row, std::int64_t count, std::int64_t padded_count, float scale) { \
    return exponentiate_row<Level##Shape, true>(row, count, padded_count, scale);                             \
  }                                                                                                           \
  constexpr AttentionKernels k##Level{attend_##Level, place_##Level, exponentiate_##Level};

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_ATTENTION_KERNELS)

const AttentionKernels& kernels() { return at_cpu_level(kBaseline, kAvx2, kAvx512); }

/// [N, width] → [width, padded N], zeros behind.
void transpose(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t width, float* to) {
  const std::int64_t length = padded(rows);
  for (std::int64_t c = 0; c < width; ++c) {
    for (std::int64_t j = 0; j < rows; ++j) to[c * length + j] = from[j * stride + c];
    std::fill(to + c * length + rows, to + (c + 1) * length, 0.0F);
  }
}

}  // namespace

std::int64_t attention_workspace_floats(std::int64_t rows, std::int64_t heads, std::int64_t width, int threads) {
  return padded(rows) * (heads * width + threads * kBlock);
}

void run_attention(const AttentionRows& a, const PackedWorkspace& workspace) {
  const std::int64_t length = padded(a.rows), blocks = (a.rows + kBlock - 1) / kBlock, tasks = a.heads * blocks;
  float* scores = workspace.data + length * a.heads * a.width;
  at::parallel_for(0, a.heads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t m = first; m < last; ++m)
      transpose(a.keys + m * a.width, a.key_stride, a.rows, a.width, workspace.data + m * a.width * length);
  });
  at::parallel_for(0, workspace.threads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t end = tasks * (part + 1) / workspace.threads;
      for (std::int64_t task = tasks * part / workspace.threads; task < end; ++task) {
        const std::int64_t m = task / blocks, row = task % blocks * kBlock;
        const HeadArgs head{a.rows,
                            length,
                            a.width,
                            a.queries + row * a.query_stride + m * a.width,
                            workspace.data + m * a.width * length,
                            a.values + m * a.width,
                            a.query_stride,
                            a.value_stride,
                            a.out + row * a.out_stride + m * a.width,
                            a.out_stride,
                            scores + part * kBlock * length,
                            1 / std::sqrt(static_cast<float>(a.width))};
        kernels().attend(head, std::min(kBlock, a.rows - row));
      }
    }
  });
}

float exponentiate_coarsely(float* row, std::int64_t count, std::int64_t padded_count, float scale) {
  return kernels().exponentiate(row, count, padded_count, scale);
}

void place_samples(const SampledRows& rows) {
  constexpr std::int64_t kQueriesAtLeast = 32;
  at::parallel_for(0, rows.queries, kQueriesAtLeast, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t q = first; q < last; ++q) kernels().place(rows, q);
  });
}

}  // namespace rtdetr
