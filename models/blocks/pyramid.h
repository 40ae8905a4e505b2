#pragma once

#include <cstdint>
#include <string>

#include "models/layers/block.h"
#include "models/layers/cells.h"
#include "models/layers/conv.h"

/// The simple feature pyramid (ViTDet, arXiv 2203.16527 §3): each level is made of a plain backbone's last map alone.
namespace rtdetr {

/// Twice as many rows and columns: each cell becomes 2 × 2 by a product of its own (a transposed convolution of kernel
/// and stride 2). Keys `weight` [in, out, 2, 2], `bias` [out].
class EnlargeImpl : public torch::nn::Module, public InitializesWeights {
 public:
  EnlargeImpl(std::int64_t in, std::int64_t out);
  /// @param cells  [B, H, W, in]
  /// @return       [B, 2H, 2W, out]
  Tensor forward(const Tensor& cells);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& cells) const;
  void init_weights(const WeightDraws& draws) override;

  Tensor weight, bias;

 private:
  Tensor product() const;
};
TORCH_MODULE(Enlarge);

/// How a level's size relates to that of the map that it reads.
enum class PyramidScale { kFourfold, kDouble, kSame, kHalf };

/// Resized, then a 1x1 and a 3x3 convolution without bias or activation, each normed over its channels. Keys are places
/// in a sequence, those of detectron2: `0`, `1`, `3` what enlarges, then the convolutions, with `norm` below each.
class PyramidLevelImpl : public Block {
 public:
  PyramidLevelImpl(std::int64_t in, std::int64_t out, PyramidScale scale);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  /// A convolution and its norm.
  struct Unit {
    Convolution conv{nullptr};
    LayerNorm norm{nullptr};
    Tensor operator()(const Tensor& cells) { return norm(cells_of(conv(map_of(cells)))); }
    OnnxValue emit(OnnxBuilder& graph, const OnnxValue& cells) const {
      return graph.emit("norm", norm, emit_cells_of(graph, graph.emit("conv", conv, emit_map_of(graph, cells))));
    }
  };
  Unit add_unit(const std::string& name, const ConvolutionOptions& options);
  std::int64_t add_resizing(std::int64_t in);

  PyramidScale scale_;
  Enlarge first_{nullptr}, second_{nullptr};
  LayerNorm between_{nullptr};
  Unit project_, smooth_;
};
TORCH_MODULE(PyramidLevel);

}  // namespace rtdetr
