#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/ops/packed/packed_product.h"

namespace rtdetr {

/// A convolution of narrow numbers by AMX's tiles, which take rows from anywhere in memory: some lines of the map are
/// made narrow once, with zeros around them, and the rows of a tap are those of its neighbour one pixel on. Nothing is
/// gathered, and weights pass by once for all pixels of these lines.
class TileConv {
 public:
  /// @param kernels  with tiles
  /// @param weights  [taps · row_numbers(channels), out]: a tap's rows behind its channels are zero
  TileConv(const PackedKernels& kernels, PackedMatrix weights, std::int64_t channels)
      : kernels_(&kernels), pixel_words_(kernels.row_words(channels)), weights_(std::move(weights)) {}

  std::int64_t workspace_floats(const PixelRows& rows, int threads) const { return threads * part_floats(rows); }
  void run(const PixelRows& rows, const Epilogue& epilogue, const PackedOutput& y,
           const PackedWorkspace& workspace) const;
  std::size_t bytes() const { return weights_.bytes(); }

 private:
  struct Task;
  std::int64_t part_floats(const PixelRows& rows) const;
  void run_part(const Task& task, const Part& lines, const Part& panels, float* workspace) const;
  void narrow_line(const PixelRows& rows, std::int64_t image, std::int64_t line, float* to) const;

  const PackedKernels* kernels_;
  std::int64_t pixel_words_;  ///< of whole chunks
  PackedMatrix weights_;
};

}  // namespace rtdetr
