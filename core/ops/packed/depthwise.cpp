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

}  // namespace

DepthwiseConv::DepthwiseConv(const PixelRows& rows, const float* weight)
    : kernel_(depthwise_kernel()),
      depth_(line_floats(rows.channels)),
      weights_(rows.kernel_h * rows.kernel_w * depth_) {
  const std::int64_t taps = rows.kernel_h * rows.kernel_w;
  for (std::int64_t c = 0; c < rows.channels; ++c)
    for (std::int64_t t = 0; t < taps; ++t) weights_.data()[t * depth_ + c] = weight[c * taps + t];
}

void DepthwiseConv::run(const PixelRows& rows, const Epilogue& epilogue, const PackedOutput& y,
                        const PackedWorkspace& workspace) const {
  DepthwiseArgs args{};
  args.channels = rows.channels;
  args.x = rows.map.data;
  args.weight = weights_.data();
  args.bias = epilogue.bias;
  args.y = y.data;
  args.residual = y.residual;
  args.x_step = rows.stride * rows.map.pixel_stride;
  args.x_row_stride = rows.dilation * rows.map.width * rows.map.pixel_stride;
  args.x_tap_stride = rows.dilation * rows.map.pixel_stride;
  args.weight_row_stride = rows.kernel_w * depth_;
  args.weight_tap_stride = depth_;
  args.y_stride = y.pixel_stride;
  args.residual_stride = y.residual_stride;
  args.activation = epilogue.activation;
  args.place = epilogue.place;
  const std::int64_t lines = rows.map.batch * rows.out_height, parts = workspace.threads;
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    const Part part{part_of(lines, begin, parts).begin, part_of(lines, end - 1, parts).end};
    for (std::int64_t line = part.begin; line < part.end; ++line) run_row(rows, line, args);
  });
}

/// A line of the output: pixels whose windows are cut off one by one, the others in one run.
void DepthwiseConv::run_row(const PixelRows& rows, std::int64_t line, DepthwiseArgs args) const {
  const std::int64_t image = line / rows.out_height, top = line % rows.out_height * rows.stride - rows.padding;
  const Taps down = taps_inside(top, rows.kernel_h, rows.dilation, rows.map.height);
  const float* x =
      args.x + (image * rows.map.height + top + down.first * rows.dilation) * rows.map.width * rows.map.pixel_stride;
  const float *weight = args.weight + down.first * args.weight_row_stride, *residual = args.residual;
  float* y = args.y;
  args.tap_rows = down.count;
  const std::int64_t reach = (rows.kernel_w - 1) * rows.dilation, last = rows.map.width - 1 - reach + rows.padding;
  for (std::int64_t column = 0; column < rows.out_width; column += args.pixels) {
    const std::int64_t left = column * rows.stride - rows.padding;
    const Taps across = taps_inside(left, rows.kernel_w, rows.dilation, rows.map.width);
    args.pixels = across.count == rows.kernel_w ? std::min(last / rows.stride + 1, rows.out_width) - column : 1;
    args.taps = across.count;
    args.x = x + (left + across.first * rows.dilation) * rows.map.pixel_stride;
    args.weight = weight + across.first * args.weight_tap_stride;
    const std::int64_t pixel = line * rows.out_width + column;
    args.y = y + pixel * args.y_stride;
    args.residual = residual ? residual + pixel * args.residual_stride : nullptr;
    kernel_(args);
  }
}

}  // namespace rtdetr
