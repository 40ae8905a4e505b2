#pragma once

#include <algorithm>
#include <cstdint>

#include "core/ops/packed/packed_product.h"

namespace rtdetr {

constexpr std::int64_t kTileBufferFloats = kTileRows * kMaxVectors * kMaxLanes;

/// Products of rows with one column panel of weights, brought to where they belong: by the kernel of a tile itself, or,
/// with another activation or part of a panel, by way of a buffer.
class PanelOutput {
 public:
  /// @param buffer  kTileBufferFloats
  PanelOutput(const PackedKernels& kernels, const PackedMatrix& weights, const Epilogue& epilogue,
              const PackedOutput& y, std::int64_t panel, float* buffer)
      : kernels_(kernels),
        epilogue_(epilogue),
        y_(y),
        buffer_(buffer),
        column_(panel * weights.width()),
        vectors_(weights.vectors(panel)),
        width_(vectors_ * kernels.lanes),
        columns_(std::min(width_, weights.columns() - column_)) {
    args.b = weights.panel(panel);
    args.words = weights.words();
    args.bias = epilogue.bias + column_;
    args.y = buffer;
    args.y_stride = width_;
    if (epilogue.scale) args.scale = epilogue.scale + column_;
    const bool relu = epilogue.activation == FusedActivation::kRelu;
    direct_ = (relu || epilogue.activation == FusedActivation::kNone) && columns_ == width_ &&
              (kernels.has_tiles() || !y.data.is_narrow());
    if (!direct_) return;
    args.y_stride = y.pixel_stride;
    args.residual_stride = y.residual_stride;
    args.residual_last = epilogue.place == ResidualPlace::kAfterActivation;
    args.relu = relu;
  }

  /// `args.rows` rows at args.a, which become pixels [first, first + rows).
  void write(std::int64_t first) {
    const MapData to = y_.data + (first * y_.pixel_stride + column_);
    ConstMapData residual;
    if (epilogue_.place != ResidualPlace::kNone) residual = y_.residual + (first * y_.residual_stride + column_);
    if (direct_) {
      args.y = to;
      args.residual = residual;
    }
    kernels_.tile[args.rows - 1][vectors_ - 1](args);
    if (!direct_)
      kernels_.finish({buffer_, width_, to, y_.pixel_stride, residual, y_.residual_stride, epilogue_.activation,
                       epilogue_.place, args.rows, columns_});
  }

  TileArgs args;

 private:
  const PackedKernels& kernels_;
  const Epilogue& epilogue_;
  const PackedOutput& y_;
  float* buffer_;
  std::int64_t column_, vectors_, width_, columns_;
  bool direct_ = false;
};

}  // namespace rtdetr
