#include "core/ops/packed/packed_product.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "core/ops/packed/panel_output.h"

namespace rtdetr {
namespace {

// Gathered rows stay in the second-level cache while all weights pass by; those of a small matrix of weights, which
// itself stays there, in the first-level one.
constexpr std::int64_t kBlockFloats = 64 << 10, kSmallBlockFloats = 4 << 10, kSmallWeights = 16 << 10;
// Rows that are read where they lie are multiplied with all weights that the second-level cache holds, tile by tile: so
// lines of the result, and of what is added, follow one another in memory and are fetched ahead.
constexpr std::int64_t kNearWeights = 256 << 10;

struct Task {
  const PackedKernels& kernels;
  const PixelGather& rows;
  const PackedMatrix& weights;
  const Epilogue& epilogue;
  const PackedOutput& y;
  Tiling tiling;
  std::vector<std::int64_t> offsets;  ///< TileArgs', of rows that are read where they lie
};

/// A gathered tile: a row panel, and where its rows belong.
struct Tile {
  const float* panel;
  std::int64_t first, rows;
};

/// Gathered tiles with one panel of weights.
void multiply(const Task& task, const std::vector<Tile>& tiles, std::int64_t panel, float* buffer) {
  const PixelGather& pixels = task.rows;
  const PackedMatrix& weights = task.weights;
  PanelOutput output(task.kernels, weights, task.epilogue, task.y, panel, buffer);
  TileArgs& args = output.args;
  args.next_step = args.row_bytes = pixels.step_bytes();
  if (!task.offsets.empty()) args.offsets = task.offsets.data();
  const std::int64_t block_rows = tiles.back().first + tiles.back().rows - tiles.front().first;
  for (const Tile& tile : tiles) {
    args.rows = static_cast<int>(tile.rows);
    args.a = tile.panel;
    if (pixels.source(0) && !args.offsets) {
      const Part share = part_of(tile.rows, panel, weights.panels());
      args.next = pixels.source(tile.first + block_rows + share.begin);
      args.next_rows = share.end - share.begin;
    }
    output.write(tile.first);
  }
}

/// Tiles that are multiplied with a panel of weights before the next one. @param weights  words
std::int64_t block_tiles(const Task& task, std::int64_t weights, std::int64_t tile_floats) {
  if (!task.offsets.empty() && weights <= kNearWeights) return 1;
  return std::max<std::int64_t>(1, (weights > kSmallWeights ? kBlockFloats : kSmallBlockFloats) / tile_floats);
}

/// Tiles by panels of weights.
void run_part(const Task& task, const Part& part, const Part& panels, float* workspace) {
  const std::int64_t words = task.kernels.row_words(task.weights.k()), weights = words * task.weights.columns(),
                     tile_floats = task.kernels.rows * words, block = block_tiles(task, weights, tile_floats);
  std::vector<Tile> tiles;
  for (std::int64_t begin = part.begin; begin < part.end; begin += block) {
    tiles.clear();
    float* panel = workspace + kTileBufferFloats;
    for (std::int64_t t = begin; t < std::min(part.end, begin + block); ++t, panel += tile_floats) {
      const Tile& tile = tiles.emplace_back(panel, task.tiling.first(t), task.tiling.count(t));
      if (task.offsets.empty())
        task.rows.gather(tile.first, tile.rows, panel);
      else
        tiles.back().panel = reinterpret_cast<const float*>(task.rows.source(tile.first));
    }
    for (std::int64_t p = panels.begin; p < panels.end; ++p) multiply(task, tiles, p, workspace);
  }
  if (task.kernels.leave) task.kernels.leave();
}

std::int64_t part_floats(const PackedKernels& kernels, std::int64_t k) {
  return kTileBufferFloats + std::max(kBlockFloats, kernels.rows * kernels.row_words(k));
}

}  // namespace

std::int64_t product_workspace_floats(const PackedKernels& kernels, std::int64_t k, int threads) {
  return threads * part_floats(kernels, k);
}

void run_product(const PackedKernels& kernels, const PixelRows& rows, const PackedMatrix& weights,
                 const Epilogue& epilogue, const PackedOutput& y, const PackedWorkspace& workspace) {
  const PixelGather gather(kernels, rows);
  Task task{kernels, gather, weights, epilogue, y, Tiling(rows.count(), kernels.rows), {}};
  if (gather.lies_ready()) {
    for (std::int64_t word = 0; word < weights.words(); word += kernels.chunk_words()) task.offsets.push_back(word);
  }
  const int parts = workspace.threads;
  const bool by_rows = task.tiling.tiles >= 4 * parts || weights.panels() < parts;
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Part tiles = by_rows ? part_of(task.tiling.tiles, i, parts) : Part{0, task.tiling.tiles};
      const Part panels = by_rows ? Part{0, weights.panels()} : part_of(weights.panels(), i, parts);
      run_part(task, tiles, panels, workspace.data + i * part_floats(kernels, weights.k()));
    }
  });
}

}  // namespace rtdetr
