#include "core/image/chw.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/simd.h"
#include "core/image/resize_axis.h"
#include "core/image/resize_passes.h"
#include "core/image/rgb_rows.h"

// Cutting, mirroring and padding only change which source pixel a weight of the resize belongs to, so they are folded
// into the tables of weights (resize_axis.h) and cost nothing. Pillow runs one pass along the rows and one down the
// columns, and rounds to bytes after each (docs/reference/official_behaviour.md#resize); here the second follows the
// first row by row, and turns its bytes into floats in the same breath.

namespace rtdetr {
namespace {

/// Black outside [begin, end) of row y.
void blacken(const ChwView& out, int y, int begin, int end) {
  for (int c = 0; c < 3; ++c) {
    std::fill(out.row(c, y), out.row(c, y) + begin, 0.0f);
    std::fill(out.row(c, y) + end, out.row(c, y) + out.width, 0.0f);
  }
}

/// Columns first. Their rows are computed as the row pass asks for them and kept, as planes of bytes, in a ring of as
/// many rows as one output row may need.
void resize_width_first(const ImageView& picture, const ResizeAxis& columns, const ResizeAxis& rows, bool upwards,
                        const ChwView& out) {
  const ColumnPass pass(columns);
  const std::size_t plane = static_cast<std::size_t>(out.width);
  std::vector<std::uint8_t> ring(static_cast<std::size_t>(rows.stride) * 3 * plane), rgbx(4 * plane);
  RgbRows source_rows(picture, 1, ColumnPass::kReadAhead);
  std::vector<const std::uint8_t*> taps(rows.stride);
  int computed = 0;  // rows below this one are in the ring, as far as they are still needed
  for (int i = 0; i < out.height; ++i) {
    const int y = upwards ? out.height - 1 - i : i;  // from top to bottom of the picture
    const int count = rows.count[y], first = rows.first[y];
    if (count == 0) {
      blacken(out, y, out.width, out.width);
      continue;
    }
    for (int source = std::max(first, computed); source < first + count; ++source) {
      std::uint8_t* bytes = ring.data() + static_cast<std::size_t>(source % rows.stride) * 3 * plane;
      pass.run(source_rows.row(source), rgbx.data(), bytes, bytes + plane, bytes + 2 * plane);
    }
    computed = std::max(computed, first + count);
    for (int c = 0; c < 3; ++c) {
      for (int j = 0; j < count; ++j) {
        taps[j] = ring.data() + (static_cast<std::size_t>((first + j) % rows.stride) * 3 + c) * plane;
      }
      resize_rows(taps.data(), rows.weights_of(y), count, columns.begin, columns.end, out.row(c, y));
    }
    blacken(out, y, columns.begin, columns.end);
  }
}

/// Rows first: each output row is summed from the visible part of the picture's rows, then goes through the columns.
void resize_height_first(const ImageView& picture, const ResizeAxis& columns, const ResizeAxis& rows,
                         const ChwView& out) {
  const ColumnPass pass(columns);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(picture.width) * 3 + ColumnPass::kReadAhead);
  std::vector<std::uint8_t> rgbx(static_cast<std::size_t>(out.width) * 4);
  std::vector<const std::uint8_t*> taps(rows.stride);
  RgbRows source_rows(picture, rows.stride, 0);
  int from = picture.width, to = 0;  // the columns that are seen
  for (int x = columns.begin; x < columns.end; ++x) {
    from = std::min(from, columns.first[x]);
    to = std::max(to, columns.first[x] + columns.count[x]);
  }
  for (int y = 0; y < out.height; ++y) {
    const int count = from < to ? rows.count[y] : 0;
    if (count == 0) {
      blacken(out, y, out.width, out.width);
      continue;
    }
    for (int j = 0; j < count; ++j) taps[j] = source_rows.row(rows.first[y] + j);
    resize_rows(taps.data(), rows.weights_of(y), count, 3 * from, 3 * to, bytes.data());
    pass.run(bytes.data(), rgbx.data());
    split_planes(rgbx.data(), columns.begin, columns.end, out.row(0, y), out.row(1, y), out.row(2, y));
    blacken(out, y, columns.begin, columns.end);
  }
}

void resize_pillow(const ImageView& picture, const PictureWindow& window, const ChwView& out) {
  const ResizeAxis columns = make_resize_axis(window.x, window.width, picture.width, out.width, window.flip_x);
  const ResizeAxis rows = make_resize_axis(window.y, window.height, picture.height, out.height, window.flip_y);
  if (pillow_resizes_height_first(window.width, window.height, out.width, out.height)) {
    resize_height_first(picture, columns, rows, out);
  } else {
    resize_width_first(picture, columns, rows, window.flip_y, out);
  }
}

RTDETR_SIMD void row_to_floats(const std::uint8_t* rgb, int width, float* r, float* g, float* b) {
  for (int i = 0; i < width; ++i) {
    r[i] = unit_value(rgb[3 * i]);
    g[i] = unit_value(rgb[3 * i + 1]);
    b[i] = unit_value(rgb[3 * i + 2]);
  }
}

void check_sizes(const PictureWindow& window, int width, int height) {
  if (window.width > 0 && window.height > 0 && width > 0 && height > 0) return;
  throw ConfigError("resize: want positive sides, have a window of " + std::to_string(window.width) + "x" +
                    std::to_string(window.height) + " for " + std::to_string(width) + "x" + std::to_string(height));
}

}  // namespace

void to_chw_float(const Picture& picture, const ChwView& out) {
  for (int y = 0; y < picture.height; ++y) {
    row_to_floats(picture.row(y), picture.width, out.row(0, y), out.row(1, y), out.row(2, y));
  }
}

void to_chw_float(const Picture& picture, float* out) {
  to_chw_float(picture, ChwView::whole(out, picture.width, picture.height));
}

void resize_to_chw_float(const RgbView& picture, const PictureWindow& window, Resampling method, const ChwView& out) {
  check_sizes(window, out.width, out.height);
  if (method == Resampling::kPillowBilinear) {
    resize_pillow(ImageView::of(picture), window, out);
  } else {
    to_chw_float(resize(cut(picture, window), out.width, out.height, method), out);
  }
}

void resize_to_chw_float(const RgbView& picture, const PictureWindow& window, int width, int height, Resampling method,
                         float* out) {
  resize_to_chw_float(picture, window, method, ChwView::whole(out, width, height));
}

void resize_to_chw_float(const ImageView& picture, Resampling method, const ChwView& out) {
  const PictureWindow whole{0, 0, picture.width, picture.height};
  if (method == Resampling::kPillowBilinear) {
    check_sizes(whole, out.width, out.height);
    resize_pillow(picture, whole, out);
  } else {
    resize_to_chw_float(to_rgb(picture), whole, method, out);
  }
}

void resize_to_chw_float(const ImageView& picture, int width, int height, Resampling method, float* out) {
  resize_to_chw_float(picture, method, ChwView::whole(out, width, height));
}

Picture cut(const RgbView& picture, const PictureWindow& window) {
  check_sizes(window, 1, 1);
  Picture result(window.width, window.height);
  const int begin = std::max(window.x, 0), end = std::min(window.x + window.width, picture.width);
  for (int i = 0; i < window.height; ++i) {
    const int y = window.y + i;
    if (y < 0 || y >= picture.height || begin >= end) continue;
    std::uint8_t* row = result.row(window.flip_y ? window.height - 1 - i : i);
    const std::uint8_t* source = picture.row(y);
    if (!window.flip_x) {
      std::memcpy(row + 3 * (begin - window.x), source + 3 * begin, static_cast<std::size_t>(end - begin) * 3);
      continue;
    }
    for (int x = begin; x < end; ++x) std::memcpy(row + 3 * (window.width - 1 - (x - window.x)), source + 3 * x, 3);
  }
  return result;
}

}  // namespace rtdetr
