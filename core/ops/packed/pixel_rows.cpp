#include "core/ops/packed/pixel_rows.h"

#include <algorithm>
#include <cstddef>

namespace rtdetr {
namespace {

struct RowWriter {
  const PackedKernels& kernels;
  float* row;
  std::int64_t rows;
  ByteScale bytes;
  std::int64_t k = 0;

  void add(const ConstMapData& from, std::int64_t count) {
    if (count <= 0) return;
    kernels.copy_run({from, count, row, k, rows, bytes});
    k += count;
  }
};

/// One line of a window, whose taps are neighbours in memory.
void add_joined_taps(const PixelRows& p, const ConstMapData& line, std::int64_t column, RowWriter& to) {
  const std::int64_t left = std::clamp<std::int64_t>(-column, 0, p.kernel_w),
                     right = std::clamp<std::int64_t>(column + p.kernel_w - p.map.width, 0, p.kernel_w - left);
  to.add({}, left * p.channels);
  to.add(line + (column + left) * p.channels, (p.kernel_w - left - right) * p.channels);
  to.add({}, right * p.channels);
}

void add_taps(const PixelRows& p, const ConstMapData& line, std::int64_t column, RowWriter& to) {
  for (std::int64_t s = 0; s < p.kernel_w; ++s, column += p.dilation) {
    const bool inside = column >= 0 && column < p.map.width;
    to.add(inside ? line + column * p.map.pixel_stride : ConstMapData(), p.channels);
  }
}

/// A run of a window becomes columns [k, k + count).
void add_pieces(std::int64_t from, std::int64_t k, std::int64_t count, std::int64_t chunk,
                std::vector<CopyPiece>& pieces) {
  while (count > 0) {
    const std::int64_t lane = k % chunk, n = std::min(count, kChunk - lane % kChunk);
    pieces.push_back({from, k / chunk, static_cast<std::int32_t>(lane), static_cast<std::int32_t>(n)});
    from += n;
    k += n;
    count -= n;
  }
}

}  // namespace

void PixelRows::join_pixels() {
  map.width *= map.batch * map.height;
  map.batch = map.height = out_height = 1;
  out_width = map.width;
}

PixelGather::PixelGather(const PackedKernels& kernels, const PixelRows& rows)
    : kernels_(kernels), p_(rows), joined_(rows.map.pixel_stride == rows.channels && rows.dilation == 1) {
  const std::int64_t runs = joined_ ? 1 : p_.kernel_w, length = joined_ ? p_.kernel_w * p_.channels : p_.channels;
  for (std::int64_t t = 0; t < p_.kernel_h; ++t)
    for (std::int64_t s = 0; s < runs; ++s)
      add_pieces((t * p_.map.width + s) * p_.dilation * p_.map.pixel_stride, (t * runs + s) * length, length,
                 kernels.chunk, pieces_);
  for (const CopyPiece& piece : pieces_) reach_ = std::max(reach_, piece.from + kChunk);
}

PixelGather::Window PixelGather::window_of(std::int64_t pixel) const {
  const std::int64_t in_image = pixel % (p_.out_height * p_.out_width);
  return {pixel / (p_.out_height * p_.out_width), in_image / p_.out_width * p_.stride - p_.padding,
          in_image % p_.out_width * p_.stride - p_.padding};
}

std::int64_t PixelGather::offset_of(const Window& w) const {
  return ((w.image * p_.map.height + w.row) * p_.map.width + w.column) * p_.map.pixel_stride;
}

/// How many of the windows from this one on can be copied by vectors: those inside the map in the same line.
std::int64_t PixelGather::inner_run(const Window& w, std::int64_t first, std::int64_t rows) const {
  const std::int64_t last_row = w.row + (p_.kernel_h - 1) * p_.dilation,
                     last_column = p_.map.width - 1 - (p_.kernel_w - 1) * p_.dilation;
  if (w.row < 0 || last_row >= p_.map.height || w.column < 0 || w.column > last_column) return 0;
  const std::int64_t pixels = p_.map.batch * p_.map.height * p_.map.width,
                     room = (pixels - 1) * p_.map.pixel_stride + p_.channels - offset_of(w) - reach_;
  if (room < 0) return 0;
  return std::min(
      {rows, (last_column - w.column) / p_.stride + 1, p_.out_width - first % p_.out_width, room / step() + 1});
}

void PixelGather::gather_window(const Window& w, float* row, std::int64_t rows) const {
  RowWriter to{kernels_, row, rows, p_.bytes};
  for (std::int64_t t = 0; t < p_.kernel_h; ++t) {
    const std::int64_t line = w.row + t * p_.dilation;
    if (line < 0 || line >= p_.map.height) {
      to.add({}, p_.kernel_w * p_.channels);
      continue;
    }
    const ConstMapData from = p_.map.data + (w.image * p_.map.height + line) * p_.map.width * p_.map.pixel_stride;
    joined_ ? add_joined_taps(p_, from, w.column, to) : add_taps(p_, from, w.column, to);
  }
}

void PixelGather::gather(std::int64_t first, std::int64_t rows, float* panel) const {
  for (std::int64_t r = 0; r < rows;) {
    const Window window = window_of(first + r);
    if (const std::int64_t run = inner_run(window, first + r, rows - r); run > 0) {
      kernels_.copy_windows({p_.map.data + offset_of(window), step(), pieces_.data(),
                             static_cast<std::int64_t>(pieces_.size()), panel, rows, r, run, p_.bytes});
      r += run;
    } else {
      gather_window(window, panel + r * kernels_.chunk_words(), rows);
      ++r;
    }
  }
  clear_end(rows, panel);
}

/// What copying by vectors left behind K's end in a word that it fills in part, of tiles in a chunk: times zero it were
/// not always zero.
void PixelGather::clear_end(std::int64_t rows, float* panel) const {
  const std::int64_t k = p_.kernel_h * p_.kernel_w * p_.channels, in_word = numbers_in_word(kernels_.format),
                     whole = kernels_.has_tiles() ? kernels_.chunk : in_word, number_bytes = 4 / in_word;
  if (k % whole == 0) return;
  const std::int64_t words = kernels_.chunk_words(), behind = (whole - k % whole) * number_bytes;
  auto* at =
      reinterpret_cast<std::byte*>(panel + k / kernels_.chunk * rows * words) + k % kernels_.chunk * number_bytes;
  for (std::int64_t r = 0; r < rows; ++r, at += words * 4) std::fill_n(at, behind, std::byte{0});
}

}  // namespace rtdetr
