#include "core/ops/packed/depthwise.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace rtdetr {
namespace {

/// Taps [first, first + count) of a window that begins at `position` are inside a map of `size`.
struct Taps {
  std::int64_t first, count;
};

Taps taps_inside(std::int64_t position, std::int64_t taps, std::int64_t dilation, std::int64_t size) {
  const auto up = [&](std::int64_t distance) { return (distance + dilation - 1) / dilation; };
  const std::int64_t first = std::min(taps, up(std::max<std::int64_t>(0, -position)));
  const std::int64_t end = std::clamp(up(std::max<std::int64_t>(0, size - position)), first, taps);
  return {first, end - first};
}

constexpr std::int64_t kWideFloats = 64 << 10;  ///< of lines, which stay in the second-level cache

}  // namespace

/// The map's lines from `first` on, of all images one after the other.
struct DepthwiseConv::Lines {
  const float* data;
  std::int64_t first, pixel_stride;
};

DepthwiseConv::DepthwiseConv(const PixelRows& rows, const float* weight)
    : kernel_(depthwise_kernel()),
      depth_(line_floats(rows.channels)),
      weights_(rows.kernel_h * rows.kernel_w * depth_) {
  const std::int64_t taps = rows.kernel_h * rows.kernel_w;
  for (std::int64_t c = 0; c < rows.channels; ++c)
    for (std::int64_t t = 0; t < taps; ++t) weights_.data()[t * depth_ + c] = weight[c * taps + t];
}

/// Lines of the output whose windows' lines become floats together.
std::int64_t DepthwiseConv::wide_lines(const PixelRows& rows) const {
  std::int64_t lines = 1;
  while (lines < rows.out_height && rows.seen_lines(lines + 1) * rows.map.width * depth_ <= kWideFloats) ++lines;
  return lines;
}

std::int64_t DepthwiseConv::workspace_floats(const PixelRows& rows, int threads) const {
  return has_tile_products() ? threads * rows.seen_lines(wide_lines(rows)) * rows.map.width * depth_ : 0;
}

void DepthwiseConv::run(const PixelRows& rows, const Epilogue& epilogue, const PackedOutput& y,
                        const PackedWorkspace& workspace) const {
  DepthwiseArgs args{};
  args.channels = rows.channels;
  args.weight = weights_.data();
  args.bias = epilogue.bias;
  args.y = y.data;
  args.residual = y.residual;
  args.weight_row_stride = rows.kernel_w * depth_;
  args.weight_tap_stride = depth_;
  args.y_stride = y.pixel_stride;
  args.residual_stride = y.residual_stride;
  args.activation = epilogue.activation;
  args.place = epilogue.place;
  const std::int64_t lines = rows.map.batch * rows.out_height, parts = workspace.threads;
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Part part = part_of(lines, i, parts);
      if (rows.map.data.is_narrow()) {
        run_wide_lines(rows, part, args, workspace.data + i * workspace_floats(rows, 1));
        continue;
      }
      const Lines all{rows.map.data.floats(), 0, rows.map.pixel_stride};
      for (std::int64_t line = part.begin; line < part.end; ++line) run_row(rows, all, line, args);
    }
  });
}

/// Of a map of bf16: what some lines of the output see is made floats once.
void DepthwiseConv::run_wide_lines(const PixelRows& rows, const Part& part, const DepthwiseArgs& args,
                                   float* wide) const {
  const std::int64_t width = rows.map.width, height = rows.map.height, together = wide_lines(rows);
  const bool is_dense = rows.map.pixel_stride == depth_ && rows.channels == depth_;
  for (std::int64_t begin = part.begin, end = 0; begin < part.end; begin = end) {
    const std::int64_t image = begin / rows.out_height, row = begin % rows.out_height;
    end = std::min({begin + together, part.end, begin - row + rows.out_height});
    const std::int64_t top = row * rows.stride - rows.padding, first = std::clamp<std::int64_t>(top, 0, height),
                       last = std::clamp<std::int64_t>(top + rows.seen_lines(end - begin), first, height);
    const Lines lines{wide, image * height + first, depth_};
    const ConstMapData from = rows.map.data + lines.first * width * rows.map.pixel_stride;
    const std::int64_t pixels = (last - first) * width, runs = is_dense ? 1 : pixels, run = is_dense ? pixels : 1;
    for (std::int64_t i = 0; i < runs; ++i)
      bfloat16_to_floats((from + i * rows.map.pixel_stride).numbers<std::uint16_t>(), run * rows.channels,
                         wide + i * depth_);
    for (std::int64_t line = begin; line < end; ++line) run_row(rows, lines, line, args);
  }
}

/// A line of the output: pixels whose windows are cut off one by one, the others in one run.
void DepthwiseConv::run_row(const PixelRows& rows, const Lines& lines, std::int64_t line, DepthwiseArgs args) const {
  const std::int64_t image = line / rows.out_height, top = line % rows.out_height * rows.stride - rows.padding;
  const Taps down = taps_inside(top, rows.kernel_h, rows.dilation, rows.map.height);
  const std::int64_t row = image * rows.map.height + top + down.first * rows.dilation - lines.first;
  const float* x = lines.data + row * rows.map.width * lines.pixel_stride;
  args.x_step = rows.stride * lines.pixel_stride;
  args.x_row_stride = rows.dilation * rows.map.width * lines.pixel_stride;
  args.x_tap_stride = rows.dilation * lines.pixel_stride;
  const float* weight = args.weight + down.first * args.weight_row_stride;
  const ConstMapData residual = args.residual;
  const MapData y = args.y;
  args.tap_rows = down.count;
  const std::int64_t reach = (rows.kernel_w - 1) * rows.dilation, last = rows.map.width - 1 - reach + rows.padding;
  for (std::int64_t column = 0; column < rows.out_width; column += args.pixels) {
    const std::int64_t left = column * rows.stride - rows.padding;
    const Taps across = taps_inside(left, rows.kernel_w, rows.dilation, rows.map.width);
    args.pixels = across.count == rows.kernel_w ? std::min(last / rows.stride + 1, rows.out_width) - column : 1;
    args.taps = across.count;
    args.x = x + (left + across.first * rows.dilation) * lines.pixel_stride;
    args.weight = weight + across.first * args.weight_tap_stride;
    const std::int64_t pixel = line * rows.out_width + column;
    args.y = y + pixel * args.y_stride;
    args.residual = residual ? residual + pixel * args.residual_stride : residual;
    kernel_(args);
  }
}

}  // namespace rtdetr
