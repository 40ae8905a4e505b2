#include "core/ops/packed/tile_conv.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "core/ops/packed/panel_output.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kNarrowFloats = 128 << 10;  ///< of lines, which stay in the second-level cache

/// Pixels of a narrow line, zeros included.
std::int64_t line_pixels(const PixelRows& rows) {
  return (rows.out_width - 1) * rows.stride + (rows.kernel_w - 1) * rows.dilation + 1;
}

}  // namespace

struct TileConv::Task {
  const PixelRows& rows;
  const Epilogue& epilogue;
  const PackedOutput& y;
  std::int64_t line_words;            ///< of a narrow line
  std::int64_t block_lines;           ///< of the output
  std::vector<std::int64_t> offsets;  ///< TileArgs'
};

std::int64_t TileConv::part_floats(const PixelRows& rows) const {
  return kTileBufferFloats + std::max(kNarrowFloats, rows.seen_lines(1) * line_pixels(rows) * pixel_words_);
}

/// A line of the map, which may lie outside, from the first pixel that a window sees.
void TileConv::narrow_line(const PixelRows& rows, std::int64_t image, std::int64_t line, float* to) const {
  const PackedInput& x = rows.map;
  const std::int64_t pixels = line_pixels(rows), numbers = pixel_words_ * numbers_in_word(kernels_->format);
  const bool outside = line < 0 || line >= x.height;
  const std::int64_t left = outside ? pixels : std::min(rows.padding, pixels),
                     inside = std::min(x.width, pixels - left), right = pixels - left - inside;
  const auto put = [&](const ConstMapData& from, std::int64_t count, std::int64_t pixel, std::int64_t number) {
    if (count > 0) kernels_->copy_run({from, count, to + pixel * pixel_words_, number, 1, rows.bytes});
  };
  put({}, left * numbers, 0, 0);
  put({}, right * numbers, left + inside, 0);
  if (inside <= 0) return;
  ConstMapData from = x.data + (image * x.height + line) * x.width * x.pixel_stride;
  if (numbers == rows.channels && numbers == x.pixel_stride) return put(from, inside * numbers, left, 0);
  for (std::int64_t p = 0; p < inside; ++p, from = from + x.pixel_stride) {
    put(from, rows.channels, left + p, 0);
    put({}, numbers - rows.channels, left + p, rows.channels);
  }
}

void TileConv::run_part(const Task& task, const Part& lines, const Part& panels, float* workspace) const {
  const PixelRows& rows = task.rows;
  const Tiling tiling(rows.out_width, kTileRows);
  float* narrow = workspace + kTileBufferFloats;
  for (std::int64_t begin = lines.begin, end = 0; begin < lines.end; begin = end) {
    const std::int64_t image = begin / rows.out_height, first = begin % rows.out_height;
    end = std::min({begin + task.block_lines, lines.end, begin - first + rows.out_height});
    for (std::int64_t i = 0; i < rows.seen_lines(end - begin); ++i)
      narrow_line(rows, image, first * rows.stride - rows.padding + i, narrow + i * task.line_words);
    for (std::int64_t p = panels.begin; p < panels.end; ++p) {
      PanelOutput output(*kernels_, weights_, task.epilogue, task.y, p, workspace);
      output.args.offsets = task.offsets.data();
      output.args.row_bytes = rows.stride * pixel_words_ * static_cast<std::int64_t>(sizeof(float));
      for (std::int64_t line = begin; line < end; ++line) {
        for (std::int64_t t = 0; t < tiling.tiles; ++t) {
          output.args.rows = static_cast<int>(tiling.count(t));
          output.args.a = narrow + rows.stride * ((line - begin) * task.line_words + tiling.first(t) * pixel_words_);
          output.write(line * rows.out_width + tiling.first(t));
        }
      }
    }
  }
  kernels_->leave();
}

void TileConv::run(const PixelRows& rows, const Epilogue& epilogue, const PackedOutput& y,
                   const PackedWorkspace& workspace) const {
  Task task{rows, epilogue, y, line_pixels(rows) * pixel_words_, 1, {}};
  while (task.block_lines < rows.out_height && rows.seen_lines(task.block_lines + 1) * task.line_words <= kNarrowFloats)
    ++task.block_lines;
  const std::int64_t chunk = kernels_->chunk_words();
  for (std::int64_t i = 0; i < rows.kernel_h; ++i)
    for (std::int64_t j = 0; j < rows.kernel_w; ++j)
      for (std::int64_t c = 0; c < pixel_words_; c += chunk)
        task.offsets.push_back(rows.dilation * (i * task.line_words + j * pixel_words_) + c);
  // Threads share the weights rather than the lines where the weights are more.
  const std::int64_t lines = rows.map.batch * rows.out_height, parts = workspace.threads;
  const bool by_lines =
      weights_.panels() < parts || (lines >= parts && weights_.words() * weights_.columns() <= lines * task.line_words);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      run_part(task, by_lines ? part_of(lines, i, parts) : Part{0, lines},
               by_lines ? Part{0, weights_.panels()} : part_of(weights_.panels(), i, parts),
               workspace.data + i * part_floats(rows));
  });
}

}  // namespace rtdetr
