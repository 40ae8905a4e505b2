#pragma once

#include <cstdint>

#include "core/ops/packed/packed_map.h"

namespace rtdetr {

/// Attention of every row with every row, head by head: softmax(q kᵀ / √width) v. float32, on the CPU, for inference.
/// A row holds the heads one after the other, `width` numbers each.
struct AttentionRows {
  std::int64_t rows = 0, heads = 0, width = 0;
  const float *queries = nullptr, *keys = nullptr, *values = nullptr;
  std::int64_t query_stride = 0, key_stride = 0, value_stride = 0;  ///< in floats, from row to row
  float* out = nullptr;
  std::int64_t out_stride = 0;
};

std::int64_t attention_workspace_floats(std::int64_t rows, std::int64_t heads, std::int64_t width, int threads);
/// The workspace has attention_workspace_floats(). The numbers do not depend on the number of threads.
void run_attention(const AttentionRows& attention, const PackedWorkspace& workspace);

/// Scores of a row become shares but for the division: exp((x − largest) · scale), to the precision of bf16, zero
/// behind `count` up to `padded_count`, whole vectors. @return their sum
float exponentiate_coarsely(float* row, std::int64_t count, std::int64_t padded_count, float scale);

/// What deformable attention samples, and how much of it: boxes, offsets and scores of each query become places and
/// shares. P points of M heads.
struct SampledRows {
  std::int64_t queries = 0, heads = 0, points = 0;
  const float *offsets = nullptr, *scores = nullptr, *boxes = nullptr;  ///< [Q, M·P·2], [Q, M·P], [Q, 4] cxcywh
  std::int64_t offset_stride = 0, score_stride = 0, box_stride = 0;
  float* places = nullptr;  ///< [Q, M, P, 2]: centre + offset · size
  float* shares = nullptr;  ///< [Q, M, P]: softmax over the points of a head
};
void place_samples(const SampledRows& rows);

}  // namespace rtdetr
