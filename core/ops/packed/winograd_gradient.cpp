#include "core/ops/packed/winograd_gradient.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/ops/packed/aligned_floats.h"
#include "core/ops/packed/packed_product.h"

namespace rtdetr {
namespace {

/// Of transformed maps that are worked on at a time.
constexpr std::int64_t kGradientBlockFloats = 256 << 10;
/// Sums of a block are read and written once: fewer tiles are not worth that.
constexpr std::int64_t kLeastTiles = 64;

}  // namespace

/// One call's maps in tiles, counted over the batch.
struct WinogradFilterGradient::Tiles {
  const PackedInput &x, &dy;
  std::int64_t side, padding, down, across;
  const float* zeros;  ///< a pixel outside a map

  std::int64_t count() const { return dy.batch * down * across; }
  /// Pointers to `size`² pixels of a map from the tile's first output on, moved by `shift`.
  void pixels(const PackedInput& map, std::int64_t tile, std::int64_t size, std::int64_t shift,
              const float** to) const {
    const std::int64_t image = tile / (down * across), top = tile / across % down * side - shift,
                       left = tile % across * side - shift;
    for (std::int64_t i = 0; i < size * size; ++i) {
      const std::int64_t row = top + i / size, column = left + i % size;
      const bool inside = row >= 0 && column >= 0 && row < map.height && column < map.width;
      to[i] = inside ? map.data.floats() + ((image * map.height + row) * map.width + column) * map.pixel_stride : zeros;
    }
  }
};

/// Some tiles, transformed: [number][chunk of 16 channels][tile][16].
struct WinogradFilterGradient::Block {
  std::int64_t begin, count;
  bool first;
  float *of_x, *of_dy;
  float* sums;  ///< [number][out][in], both in whole chunks
  int threads;
};

WinogradFilterGradient::WinogradFilterGradient(std::int64_t in, std::int64_t out, std::int64_t padding, int outputs)
    : in_(in),
      out_(out),
      padding_(padding),
      outputs_(outputs),
      input_(&winograd_kernels(outputs)),
      kernels_(&winograd_gradient_kernels(outputs)) {}

std::int64_t WinogradFilterGradient::most_tiles() const {
  const std::int64_t tile_floats = numbers() * (line_floats(in_) + line_floats(out_));
  return std::max(kLeastTiles, kGradientBlockFloats / tile_floats);
}

/// In blocks of nearly the same size. Fewer tiles may make a larger block than more of them.
std::int64_t WinogradFilterGradient::block_tiles(std::int64_t tiles) const {
  const std::int64_t blocks = (tiles + most_tiles() - 1) / most_tiles();
  return (tiles + blocks - 1) / blocks;
}

std::int64_t WinogradFilterGradient::sum_floats() const { return numbers() * line_floats(in_) * line_floats(out_); }

std::int64_t WinogradFilterGradient::workspace_floats(std::int64_t batch, std::int64_t height,
                                                      std::int64_t width) const {
  const std::int64_t tiles = batch * ((height + outputs_ - 1) / outputs_) * ((width + outputs_ - 1) / outputs_),
                     in = line_floats(in_), out = line_floats(out_);
  return sum_floats() + numbers() * std::min(most_tiles(), tiles) * (in + out) + std::max(in, out);
}

void WinogradFilterGradient::add(const PackedInput& x, const PackedInput& dy, bool first,
                                 const PackedWorkspace& workspace) const {
  const std::int64_t in = line_floats(in_), out = line_floats(out_);
  float* zeros = workspace.data + sum_floats();
  std::fill_n(zeros, std::max(in, out), 0.0F);
  const Tiles tiles{
      x, dy, outputs_, padding_, (dy.height + outputs_ - 1) / outputs_, (dy.width + outputs_ - 1) / outputs_, zeros};
  const std::int64_t most = block_tiles(tiles.count());
  Block block{0, 0, first, zeros + std::max(in, out), nullptr, workspace.data, workspace.threads};
  block.of_dy = block.of_x + numbers() * most * in;
  for (; block.begin < tiles.count(); block.begin += most) {
    block.count = std::min(most, tiles.count() - block.begin);
    transform(tiles, block);
    multiply(block);
    block.first = false;
  }
}

void WinogradFilterGradient::transform(const Tiles& tiles, const Block& block) const {
  const std::int64_t size = outputs_ + 2;
  at::parallel_for(0, block.threads, 1, [&](std::int64_t begin, std::int64_t end) {
    const Part first = part_of(block.count, begin, block.threads), last = part_of(block.count, end, block.threads);
    WinogradInputArgs args;
    args.chunk_stride = block.count * kChunk;
    for (std::int64_t t = first.begin; t < last.begin; ++t) {
      tiles.pixels(tiles.x, block.begin + t, size, padding_, args.pixel);
      args.channels = in_;
      args.number_stride = block.count * line_floats(in_);
      args.v = block.of_x + t * kChunk;
      input_->input(args);
      tiles.pixels(tiles.dy, block.begin + t, outputs_, 0, args.pixel);
      args.channels = out_;
      args.number_stride = block.count * line_floats(out_);
      args.v = block.of_dy + t * kChunk;
      kernels_->gradient(args);
    }
  });
}

void WinogradFilterGradient::multiply(const Block& block) const {
  const std::int64_t in = line_floats(in_), out = line_floats(out_), chunks = out / kChunk, tasks = numbers() * chunks;
  at::parallel_for(0, block.threads, 1, [&](std::int64_t begin, std::int64_t end) {
    const Part first = part_of(tasks, begin, block.threads), last = part_of(tasks, end, block.threads);
    WinogradSumArgs args{nullptr, nullptr, block.count, in / kChunk, nullptr, in, block.first};
    for (std::int64_t task = first.begin; task < last.begin; ++task) {
      args.left = block.of_dy + task * block.count * kChunk;
      args.right = block.of_x + task / chunks * block.count * in;
      args.sums = block.sums + task * kChunk * in;
      kernels_->add_products(args);
    }
  });
}

void WinogradFilterGradient::finish(const FilterView& place, float* dw, const PackedWorkspace& workspace) const {
  const std::int64_t in = line_floats(in_), out = line_floats(out_);
  at::parallel_for(0, out_, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o)
      kernels_->filter_gradient(
          {workspace.data + o * in, out * in, in_, dw + o * place.out_stride, place.in_stride, place.tap_stride});
  });
}

}  // namespace rtdetr
