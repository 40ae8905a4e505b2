#pragma once

#include <cstdint>
#include <vector>

#include "models/blocks/vit_block.h"
#include "models/layers/block.h"
#include "models/layers/derived_table.h"
#include "models/layers/recent_tables.h"

namespace rtdetr {

/// A square table of absolute positions, perhaps with a class token's in front, which is not used.
struct PositionGrid {
  std::int64_t side = 14;
  bool class_row = true;
  std::int64_t rows() const { return side * side + (class_row ? 1 : 0); }
  /// The table for a map: untouched at its own size, else resized by cubic interpolation.
  /// @param table  [1, rows(), D]
  /// @return       [1, height, width, D]
  Tensor at_size(const Tensor& table, std::int64_t height, std::int64_t width) const;
  /// The same by cubic_resize of the side to height and to width, on the table's device.
  Tensor resized(const Tensor& table, const Tensor& to_height, const Tensor& to_width) const;

 private:
  Tensor cells(const Tensor& table) const;  ///< [side, side, D]
};

struct VitOptions {
  std::int64_t in = 3, dim = 768, depth = 12, heads = 12, patch = 16;
  double mlp_ratio = 4;
  std::int64_t window = 14;
  std::vector<std::int64_t> global;    ///< blocks without windows; all, if `window` is 0
  std::vector<std::int64_t> residual;  ///< blocks with a convolutional one behind
  std::int64_t grid = 64;              ///< side of the map that relative positions are learnt on
  bool relative_positions = true, absolute_positions = true;
  PositionGrid positions;
  double drop_path = 0;  ///< of the last block; the first has 0, those between lie on a line
};

/// A plain vision transformer on one map, as ViTDet has it: patches of a picture, positions added to them, blocks whose
/// attention stays in windows but for a few, no norm at the end. The map keeps its stride. Keys `pos_embed`,
/// `patch_embed.proj`, `blocks.<i>`: those of detectron2 and of MAE's files.
class VitImpl : public Block, public InitializesWeights {
 public:
  explicit VitImpl(const VitOptions& options);
  /// @param x  [B, in, H, W], sides multiples of the patch
  Tensor forward(const Tensor& x) override;
  /// @throws ModelError  in the native dialect, and where height and width are free
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  void init_weights(const WeightDraws& draws) override;

  Tensor pos_embed;  ///< [1, rows, D]; undefined without absolute positions

 private:
  Tensor positions_for(std::int64_t height, std::int64_t width);

  VitOptions options_;
  Convolution patches_{nullptr};
  std::vector<VitBlock> blocks_;
  RecentTables<DerivedTable::Size, Tensor> resizes_;  ///< by side and size
  DerivedTable positions_;
};
TORCH_MODULE(Vit);

}  // namespace rtdetr
