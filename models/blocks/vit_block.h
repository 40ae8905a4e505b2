#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "models/layers/basic.h"
#include "models/layers/cells.h"
#include "models/layers/conv.h"
#include "models/layers/drop_path.h"
#include "models/layers/grid_attention.h"

/// The parts of a plain vision transformer that works on a map: ViTDet, "Exploring Plain Vision Transformer Backbones
/// for Object Detection", arXiv 2203.16527. All take and give cells with their channels last, [B, H, W, D].
namespace rtdetr {

struct VitBlockOptions {
  std::int64_t dim = 768, heads = 12, hidden = 3072;
  std::int64_t window = 0;                       ///< side of the windows that attention stays in; 0 = the whole map
  bool relative_positions = true;                ///< with
  std::int64_t grid_height = 0, grid_width = 0;  ///< of a block without windows, at the size of the training
  bool residual = false;                         ///< a convolutional block behind
  double drop_path = 0;                          ///< rate at which each of the two branches is left out in training
};

/// A map cut into windows of w × w cells, with zeros at its right and lower edge where it is no multiple.
struct Windows {
  Tensor cells;                        ///< [B · n, w, w, D]
  std::int64_t height = 0, width = 0;  ///< of the map with the zeros
};
Windows cut_windows(const Tensor& cells, std::int64_t window);
OnnxValue emit_cut_windows(OnnxBuilder& graph, const OnnxValue& cells, std::int64_t window);
/// The map that was cut, without the zeros.
Tensor join_windows(const Windows& windows, std::int64_t height, std::int64_t width);
OnnxValue emit_joined_windows(OnnxBuilder& graph, const OnnxValue& windows, std::int64_t height, std::int64_t width);

/// x + conv3(gelu(norm(conv2(gelu(norm(conv1(x))))))), normed; half as wide inside: the paper's alternative to
/// attention over the whole map. Changes nothing at first. Keys conv1, norm1, …, norm3.
class VitResidualImpl : public torch::nn::Module, public InitializesWeights {
 public:
  explicit VitResidualImpl(std::int64_t dim);
  Tensor forward(const Tensor& cells);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& cells) const;
  void init_weights(const WeightDraws& draws) override;

 private:
  Convolution conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm3_{nullptr};
};
TORCH_MODULE(VitResidual);

/// x + attention(norm(x)), then x + mlp(norm(x)). In a block with windows the normed cells are padded with zeros, which
/// take part in the attention. Keys norm1, attn, norm2, mlp.fc1, mlp.fc2, residual.
class VitBlockImpl : public torch::nn::Module, public InitializesWeights, public DropsPaths {
 public:
  explicit VitBlockImpl(const VitBlockOptions& options);
  Tensor forward(const Tensor& cells);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& cells) const;
  void init_weights(const WeightDraws& draws) override;
  std::int64_t path_count() const override { return options_.drop_path > 0 ? 2 : 0; }
  void draw_paths(const Tensor& uniform) override { keep(path_factors(uniform, options_.drop_path)); }
  /// @param factors  [2, B] of attention and mlp, for the passes in training to come
  void keep(Tensor factors) { factors_ = std::move(factors); }

 private:
  Tensor attend(const Tensor& cells);
  Tensor mlp(const Tensor& cells);
  OnnxValue emit_attend(OnnxBuilder& graph, const OnnxValue& cells) const;
  OnnxValue emit_mlp(OnnxBuilder& graph, const OnnxValue& cells) const;
  Tensor add_branch(const Tensor& cells, const Tensor& branch, std::int64_t number) const;

  VitBlockOptions options_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  GridAttention attention_{nullptr};
  Linear fc1_{nullptr}, fc2_{nullptr};
  VitResidual residual_{nullptr};
  Tensor factors_;
};
TORCH_MODULE(VitBlock);

}  // namespace rtdetr
