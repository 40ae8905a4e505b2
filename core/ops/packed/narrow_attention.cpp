// The idea: both products of an attention are those of convolutions, of bf16. Keys and values become column panels once
// a head; a tile of queries meets all keys, its scores become shares in float32, and these, rounded, meet all values.
#include "core/ops/packed/narrow_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/ops/packed/packed_product.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kColumns = kMaxVectors * kMaxLanes;  ///< of a panel, and what keys are padded to

std::int64_t padded_keys(std::int64_t rows) { return (rows + kColumns - 1) / kColumns * kColumns; }

/// Offsets in the workspace, in floats.
struct AttentionPlan {
  const PackedKernels& kernels = product_kernels(NumberFormat::kBFloat16);
  std::int64_t keys, key_words, value_words;  ///< padded keys; words of a column of each side
  std::int64_t head_floats;                   ///< of a head's panels of keys, as many of values
  std::int64_t query_floats, score_floats, share_floats, part_floats;

  AttentionPlan(std::int64_t rows, std::int64_t width)
      : keys(padded_keys(rows)),
        key_words(width / 2),
        value_words(keys / 2),
        head_floats(keys * key_words),
        query_floats(kernels.rows * key_words),
        score_floats(kernels.rows * keys),
        share_floats(kernels.rows * value_words),
        part_floats(query_floats + score_floats + share_floats + (kernels.rows + 1) * kColumns) {}
};

/// A row as bf16, one word after the other.
void narrow_row(const PackedKernels& kernels, const float* from, std::int64_t count, float* to) {
  kernels.copy_run({from, count, to, 0, 1});
}

/// Panels of 32 keys, [word of the width][key]; those that are not there are zero.
void pack_keys(const AttentionPlan& plan, const AttentionRows& a, const float* keys, float* to, float* row) {
  std::fill_n(to, plan.head_floats, 0.0F);
  for (std::int64_t j = 0; j < a.rows; ++j) {
    narrow_row(plan.kernels, keys + j * a.key_stride, a.width, row);
    float* column = to + j / kColumns * kColumns * plan.key_words + j % kColumns;
    for (std::int64_t w = 0; w < plan.key_words; ++w) column[w * kColumns] = row[w];
  }
}

/// Panels of 32 channels, [word of two keys][channel].
void pack_values(const AttentionPlan& plan, const AttentionRows& a, const float* values, float* to, float* row) {
  std::fill_n(to, plan.head_floats, 0.0F);
  const auto* narrow = reinterpret_cast<const std::uint16_t*>(row);
  for (std::int64_t j = 0; j < a.rows; ++j) {
    narrow_row(plan.kernels, values + j * a.value_stride, a.width, row);
    for (std::int64_t c = 0; c < a.width; c += kColumns) {
      auto* words = reinterpret_cast<std::uint16_t*>(to + c * plan.value_words + j / 2 * kColumns);
      for (std::int64_t i = 0; i < kColumns; ++i) words[2 * i + j % 2] = narrow[c + i];
    }
  }
}

/// Some queries of a head.
struct QueryBlock {
  const float *queries, *keys, *values;  ///< packed the latter two
  float* out;
  std::int64_t rows;
};

void attend(const AttentionPlan& plan, const AttentionRows& a, const QueryBlock& block, float* workspace) {
  const PackedKernels& kernels = plan.kernels;
  float *query = workspace, *scores = query + plan.query_floats, *shares = scores + plan.score_floats,
        *mixed = shares + plan.share_floats, *zeros = mixed + kernels.rows * kColumns;
  std::fill_n(zeros, kColumns, 0.0F);
  const auto put = [&](const float* from, std::int64_t count, std::int64_t row, float* panel) {
    kernels.copy_run({from, count, panel + row * kernels.chunk_words(), 0, block.rows});
  };
  const auto multiply = kernels.tile[block.rows - 1][kMaxVectors - 1];
  TileArgs args{static_cast<int>(block.rows), query, block.keys, plan.key_words, zeros, scores, plan.keys};
  for (std::int64_t r = 0; r < block.rows; ++r) put(block.queries + r * a.query_stride, a.width, r, query);
  for (std::int64_t j = 0; j < plan.keys; j += kColumns) {
    args.b = block.keys + j * plan.key_words;
    args.y = scores + j;
    multiply(args);
  }
  float sums[kTileRows];
  for (std::int64_t r = 0; r < block.rows; ++r) {
    float* row = scores + r * plan.keys;
    sums[r] = exponentiate_coarsely(row, a.rows, plan.keys, 1 / std::sqrt(static_cast<float>(a.width)));
    put(row, plan.keys, r, shares);
  }
  args = {static_cast<int>(block.rows), shares, nullptr, plan.value_words, zeros, mixed, kColumns};
  for (std::int64_t c = 0; c < a.width; c += kColumns) {
    args.b = block.values + c * plan.value_words;
    multiply(args);
    for (std::int64_t r = 0; r < block.rows; ++r)
      for (std::int64_t i = 0; i < kColumns; ++i)
        block.out[r * a.out_stride + c + i] = mixed[r * kColumns + i] / sums[r];
  }
}

}  // namespace

bool can_attend_narrow(std::int64_t width) { return has_tile_products() && width % kColumns == 0; }

std::int64_t narrow_attention_workspace_floats(std::int64_t rows, std::int64_t heads, std::int64_t width, int threads) {
  const AttentionPlan plan(rows, width);
  return 2 * heads * plan.head_floats + threads * plan.part_floats;
}

void run_narrow_attention(const AttentionRows& a, const PackedWorkspace& workspace) {
  const AttentionPlan plan(a.rows, a.width);
  const std::int64_t blocks = Tiling(a.rows, plan.kernels.rows).tiles, tasks = a.heads * blocks;
  float *keys = workspace.data, *values = keys + a.heads * plan.head_floats,
        *parts = values + a.heads * plan.head_floats;
  const auto for_each_part = [&](std::int64_t count, const auto& work) {
    at::parallel_for(0, workspace.threads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        work(part_of(count, i, workspace.threads), parts + i * plan.part_floats);
    });
  };
  for_each_part(a.heads, [&](const Part& heads, float* scratch) {
    for (std::int64_t m = heads.begin; m < heads.end; ++m) {
      pack_keys(plan, a, a.keys + m * a.width, keys + m * plan.head_floats, scratch);
      pack_values(plan, a, a.values + m * a.width, values + m * plan.head_floats, scratch);
    }
  });
  for_each_part(tasks, [&](const Part& part, float* scratch) {
    const Tiling tiling(a.rows, plan.kernels.rows);
    for (std::int64_t task = part.begin; task < part.end; ++task) {
      const std::int64_t m = task / blocks, first = tiling.first(task % blocks);
      attend(plan, a,
             {a.queries + first * a.query_stride + m * a.width, keys + m * plan.head_floats,
              values + m * plan.head_floats, a.out + first * a.out_stride + m * a.width, tiling.count(task % blocks)},
             scratch);
    }
    plan.kernels.leave();
  });
}

}  // namespace rtdetr
