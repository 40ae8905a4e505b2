#pragma once

#include <cstdint>

#include "core/ops/packed/number_format.h"
#include "core/ops/packed/packed_map.h"

/// What stands between the drivers of the packed convolutions and their loops over vectors.
///
/// A product's left side comes in *row panels*: up to `rows` rows, cut into chunks of sixteen of the K numbers that are
/// summed over, chunk after chunk [chunk][row][16]. So a gathered pixel is copied by whole cache lines, the loop reads
/// one stream, and its addresses are constants. The right side, the weights, comes in *column panels* of one or two
/// vectors [k][columns] (PackedMatrix). Narrow numbers (number_format.h) that follow one another in K share words of 32
/// bits: a chunk of a row has fewer words then, a column panel fewer rows, [word][columns]. AMX's tiles take rows of
/// sixteen words: their chunks are longer, and both sides have zeros up to whole ones.
namespace rtdetr {

constexpr std::int64_t kChunk = 16;
constexpr int kMaxRows = 14, kMaxVectors = 2, kMaxLanes = 16;
constexpr int kTileRows = 32;  ///< of AMX: two tiles, one below the other

/// One tile of a product: y = a · b + bias, then the residual and ReLU as far as they are set.
struct TileArgs {
  int rows;            ///< read by AMX's tiles alone: the others' is their place in the table
  const float* a;      ///< row panel
  const float* b;      ///< column panel
  std::int64_t words;  ///< that are summed over; one for each of the K numbers, unless they are narrow
  const float* bias;   ///< of all columns of the panel, or, of Winograd's products, nullptr
  MapData y;           ///< of tiles bf16, too, and the residual with it
  std::int64_t y_stride;
  ConstMapData residual;
  std::int64_t residual_stride = 0;
  bool relu = false, residual_last = false;
  const float* scale = nullptr;  ///< int8: what one of each column's sums stands for
  /// Of tiles: where the rows of each chunk lie behind a, in words, and how far they are from each other; nullptr: in a
  /// row panel.
  const std::int64_t* offsets = nullptr;
  std::int64_t row_bytes = 0;
  /// Rows that will be copied into a row panel soon, fetched meanwhile.
  const std::byte* next = nullptr;
  std::int64_t next_step = 0, next_rows = 0;  ///< the step in bytes
};

/// Rows of a finished product: the rest of what a convolution does to them. In place if y == from.
struct FinishArgs {
  const float* from;
  std::int64_t from_stride;
  MapData y;  ///< bf16 where vectors have sixteen lanes
  std::int64_t y_stride;
  ConstMapData residual;
  std::int64_t residual_stride = 0;
  FusedActivation activation = FusedActivation::kNone;
  ResidualPlace place = ResidualPlace::kNone;
  std::int64_t rows, columns;
};

/// Numbers that follow one another both in a window of the map and in a chunk of its row.
struct CopyPiece {
  std::int64_t from;   ///< offset in the map, from the window's first number
  std::int64_t chunk;  ///< and `lane`: where they go
  std::int32_t lane, count;
};

/// `count` numbers, zeros without `from`, that become columns [k, k + count) of a row of a panel.
struct RunArgs {
  ConstMapData from;
  std::int64_t count;
  float* row;
  std::int64_t k, panel_rows;
  ByteScale bytes = {};
};

/// Windows `step` floats apart that become neighbouring rows of a panel.
struct CopyArgs {
  ConstMapData from;  ///< first number of the first window
  std::int64_t step;
  const CopyPiece* pieces;
  std::int64_t piece_count;
  float* panel;
  std::int64_t panel_rows, first_row, rows;
  ByteScale bytes = {};
};

struct PackedKernels {
  int lanes;  ///< floats of a vector
  int rows;   ///< of the largest tile
  NumberFormat format;
  std::int64_t chunk;  ///< numbers of a row that lie together in a row panel
  /// [rows − 1][vectors − 1]
  void (*tile[kTileRows][kMaxVectors])(const TileArgs&);
  void (*finish)(const FinishArgs&);
  void (*copy_run)(const RunArgs&);
  /// Reads sixteen numbers for a piece of any count, and may change the rows that follow the copied ones.
  void (*copy_windows)(const CopyArgs&);
  void (*leave)() = nullptr;  ///< by a thread behind its last tile

  bool has_tiles() const { return chunk > kChunk; }
  /// Words of a chunk of a row.
  std::int64_t chunk_words() const { return chunk / numbers_in_word(format); }
  /// K in whole chunks, and their words.
  std::int64_t row_numbers(std::int64_t k) const { return (k + chunk - 1) / chunk * chunk; }
  std::int64_t row_words(std::int64_t k) const { return row_numbers(k) / numbers_in_word(format); }
};

/// For the CPU level in use (cpu_level.h). @throws InternalError  unless can_multiply(format)
const PackedKernels& packed_kernels(NumberFormat format = NumberFormat::kFloat32);
/// The same for products that are not Winograd's, which may be AMX's.
const PackedKernels& product_kernels(NumberFormat format);

}  // namespace rtdetr
