#include "core/ops/packed/winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace rtdetr {
namespace {

/// Of transformed input that is worked on at a time.
constexpr std::int64_t kTransformedFloats = 32 << 10;

/// Row panels of a block of tiles, of nearly the same size.
struct Panels {
  std::int64_t tiles, count;
  std::int64_t first(std::int64_t i) const { return tiles * i / count; }
  std::int64_t rows(std::int64_t i) const { return first(i + 1) - first(i); }
};

}  // namespace

/// One call's input and output in tiles, counted over the batch.
struct WinogradConv::Map {
  const PackedInput& x;
  const Epilogue& epilogue;
  const PackedOutput& y;
  const float* u;              ///< the transformed filters: panels of [number][words][columns], gaps behind numbers
  std::int64_t height, width;  ///< of the output
  std::int64_t tiles_down, tiles_across, side;  ///< side of a tile's output

  std::int64_t tiles() const { return x.batch * tiles_down * tiles_across; }
  std::int64_t image(std::int64_t tile) const { return tile / (tiles_down * tiles_across); }
  std::int64_t row(std::int64_t tile) const { return tile / tiles_across % tiles_down * side; }
  std::int64_t column(std::int64_t tile) const { return tile % tiles_across * side; }
};

WinogradConv::WinogradConv(const PackedKernels& kernels, std::int64_t in, std::int64_t out, std::int64_t padding,
                           const FilterView& filters, int outputs)
    : kernels_(&kernels),
      transforms_(&winograd_kernels(outputs, kernels.format)),
      outputs_(outputs),
      in_(in),
      out_(out),
      padding_(padding),
      filters_(packed_kernels(), in * 9, out),
      zeros_(line_floats(in)) {
  constexpr std::int64_t kBlock = 8;  // channels; what is written stays in the first-level cache
  const std::int64_t blocks = (in + kBlock - 1) / kBlock;
  at::parallel_for(0, filters_.panels() * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % blocks * kBlock;
      pack(filters, i / blocks, {first, std::min(first + kBlock, in)});
    }
  });
}

/// Some input channels of a panel.
void WinogradConv::pack(const FilterView& filters, std::int64_t panel, const Part& channels) {
  const std::int64_t stride = filters_.vectors(panel) * kernels_->lanes, first = panel * filters_.width();
  float* to = filters_.panel(panel);
  for (std::int64_t n = 0; n < stride; ++n) {
    const bool is_there = first + n < out_;
    const float* from = filters.data + (first + n) * filters.out_stride;
    for (std::int64_t c = channels.begin; c < channels.end; ++c)
      for (std::int64_t t = 0; t < 9; ++t)
        to[(c * 9 + t) * stride + n] = is_there ? from[c * filters.in_stride + t * filters.tap_stride] : 0.0F;
  }
}

/// Of a panel. The numbers of one channel lie in different sets of the first-level cache.
std::int64_t WinogradConv::number_stride(std::int64_t panel) const {
  return filter_words() * filters_.vectors(panel) * kernels_->lanes + kChunk;
}

/// Of a column of one of the A² products.
std::int64_t WinogradConv::filter_words() const {
  const std::int64_t in_word = numbers_in_word(kernels_->format);
  return (in_ + in_word - 1) / in_word;
}

/// Whole row panels, and enough tiles for reading all weights to be worth while.
std::int64_t WinogradConv::block_tiles() const {
  const std::int64_t rows = kernels_->rows, least = (kMaxRows + rows - 1) / rows * rows;
  return std::max(least, kTransformedFloats / (numbers() * depth()) / rows * rows);
}

std::int64_t WinogradConv::part_floats() const { return block_tiles() * numbers() * (depth() + filters_.width()); }

void WinogradConv::run(const PackedInput& x, const Epilogue& epilogue, const PackedOutput& y,
                       const PackedWorkspace& workspace) const {
  const std::int64_t height = x.height + 2 * padding_ - 2, width = x.width + 2 * padding_ - 2;
  float *u = workspace.data, *scratch = u + transformed_floats();
  const Map map{
      x,       epilogue, y, u, height, width, (height + outputs_ - 1) / outputs_, (width + outputs_ - 1) / outputs_,
      outputs_};
  const std::int64_t parts = workspace.threads, panels = filters_.panels();
  const auto for_each_part = [&](const auto& work) {
    at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) work(i);
    });
  };
  for_each_part([&](std::int64_t i) { transform_filters(part_of(filter_words(), i, parts), u); });
  const bool by_tiles = map.tiles() >= 4 * parts * kernels_->rows || panels < parts;
  for_each_part([&](std::int64_t i) {
    run_part(map, by_tiles ? part_of(map.tiles(), i, parts) : Part{0, map.tiles()},
             by_tiles ? Part{0, panels} : part_of(panels, i, parts), scratch + i * part_floats());
  });
}

/// Of the input channels of some words.
void WinogradConv::transform_filters(const Part& words, float* u) const {
  const std::int64_t in_word = numbers_in_word(kernels_->format), first = words.begin * in_word,
                     count = std::min(words.end * in_word, in_) - first;
  for (std::int64_t panel = 0; panel < filters_.panels(); ++panel) {
    const std::int64_t vectors = filters_.vectors(panel), width = vectors * kernels_->lanes;
    transforms_->filter({filters_.panel(panel) + first * 9 * width, count, vectors,
                         u + panel * panel_stride() + words.begin * width, number_stride(panel)});
  }
}

void WinogradConv::run_part(const Map& map, const Part& tiles, const Part& panels, float* workspace) const {
  const std::int64_t count = tiles.end - tiles.begin, blocks = (count + block_tiles() - 1) / block_tiles();
  const auto block = [&](std::int64_t b) {
    const Part part = part_of(count, b, blocks);
    return Part{tiles.begin + part.begin, tiles.begin + part.end};
  };
  float *v = workspace, *sums = workspace + block_tiles() * numbers() * depth();
  for (std::int64_t b = 0; b < blocks; ++b) {
    transform_block(map, block(b), v);
    for (std::int64_t p = panels.begin; p < panels.end; ++p) {
      const Part next = b + 1 < blocks ? block(b + 1) : Part{0, 0};
      const Part share = part_of(next.end - next.begin, p - panels.begin, panels.end - panels.begin);
      multiply_block(map, block(b), p, {next.begin + share.begin, next.begin + share.end}, v, sums);
      finish_block(map, block(b), p, sums);
    }
  }
}

/// v: row panels of tiles, each [number][chunk][tile][16].
void WinogradConv::transform_block(const Map& map, const Part& tiles, float* v) const {
  const std::int64_t count = tiles.end - tiles.begin, size = outputs_ + 2;
  const Panels panels{count, (count + kernels_->rows - 1) / kernels_->rows};
  WinogradInputArgs args;
  args.channels = in_;
  for (std::int64_t p = 0; p < panels.count; ++p) {
    const std::int64_t rows = panels.rows(p);
    args.chunk_stride = rows * kChunk;
    args.number_stride = rows * line_floats(in_);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t tile = tiles.begin + panels.first(p) + r, top = map.row(tile) - padding_,
                         left = map.column(tile) - padding_;
      const float* image = map.x.data.floats() + map.image(tile) * map.x.height * map.x.width * map.x.pixel_stride;
      for (std::int64_t i = 0; i < size * size; ++i) {
        const std::int64_t row = top + i / size, column = left + i % size;
        const bool inside = row >= 0 && column >= 0 && row < map.x.height && column < map.x.width;
        args.pixel[i] = inside ? image + (row * map.x.width + column) * map.x.pixel_stride : zeros_.data();
      }
      args.v = v + panels.first(p) * numbers() * depth() + r * kernels_->chunk_words();
      transforms_->input(args);
    }
  }
}

/// sums: [tile][number][columns of a panel]. Meanwhile what is new in the windows of the tiles `next` is fetched.
void WinogradConv::multiply_block(const Map& map, const Part& tiles, std::int64_t panel, const Part& next,
                                  const float* v, float* sums) const {
  const std::int64_t count = tiles.end - tiles.begin, width = filters_.width(), vectors = filters_.vectors(panel);
  const Panels panels{count, (count + kernels_->rows - 1) / kernels_->rows};
  const std::int64_t calls = numbers() * panels.count, lines = (next.end - next.begin) * outputs_;
  TileArgs args{0, nullptr, nullptr, filter_words(), nullptr, nullptr, numbers() * width};
  args.next_step = map.x.pixel_stride * static_cast<std::int64_t>(sizeof(float));
  for (std::int64_t call = 0; call < calls; ++call) {
    const std::int64_t i = call / panels.count, p = call % panels.count, rows = panels.rows(p);
    args.a = v + panels.first(p) * numbers() * depth() + i * rows * depth();
    args.b = map.u + panel * panel_stride() + i * number_stride(panel);
    args.y = sums + (panels.first(p) * numbers() + i) * width;
    const Part share = part_of(lines, call, calls);
    args.next_rows = (share.end - share.begin) * outputs_;
    if (args.next_rows > 0) args.next = fresh_pixels(map, next.begin + share.begin / outputs_, share.begin % outputs_);
    kernels_->tile[rows - 1][vectors - 1](args);
  }
}

/// The pixels that a tile does not share with those above and before it: the first of line `line`.
const std::byte* WinogradConv::fresh_pixels(const Map& map, std::int64_t tile, std::int64_t line) const {
  const std::int64_t row = std::min(map.row(tile) - padding_ + 2 + line, map.x.height - 1);
  const std::int64_t column = std::min(map.column(tile) - padding_ + 2, map.x.width - 1);
  return (map.x.data + ((map.image(tile) * map.x.height + row) * map.x.width + column) * map.x.pixel_stride).data;
}

void WinogradConv::finish_block(const Map& map, const Part& tiles, std::int64_t panel, const float* sums) const {
  const std::int64_t width = filters_.width(), column = panel * width;
  const PackedOutput& y = map.y;
  WinogradOutputArgs args{};
  args.number_stride = width;
  args.channels = std::min(width, out_ - column);
  args.bias = map.epilogue.bias + column;
  args.y_pixel_stride = y.pixel_stride;
  args.y_row_stride = map.width * y.pixel_stride;
  args.residual_pixel_stride = y.residual_stride;
  args.residual_row_stride = map.width * y.residual_stride;
  args.activation = map.epilogue.activation;
  args.place = map.epilogue.place;
  for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
    const std::int64_t row = map.row(t), first = (map.image(t) * map.height + row) * map.width + map.column(t);
    args.sums = sums + (t - tiles.begin) * numbers() * width;
    args.y = y.data.floats() + first * y.pixel_stride + column;
    args.residual = y.residual ? y.residual.floats() + first * y.residual_stride + column : nullptr;
    args.rows = std::min<std::int64_t>(outputs_, map.height - row);
    args.columns = std::min<std::int64_t>(outputs_, map.width - map.column(t));
    transforms_->output(args);
  }
}

}  // namespace rtdetr
