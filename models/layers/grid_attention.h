#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "models/layers/basic.h"
#include "models/layers/derived_table.h"
#include "models/layers/recent_tables.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

struct GridAttentionOptions {
  std::int64_t dim = 768, heads = 12;
  /// Of the grid whose distances the tables of relative positions have; 0 = without such tables.
  std::int64_t height = 0, width = 0;
};

/// Multi-head self-attention over the cells of a grid, with learnt decomposed relative positions (ViTDet, arXiv
/// 2203.16527 §3; of MViTv2, arXiv 2112.01526): to the logit of a query and a key, the query's product with a vector of
/// their distance in rows is added, and that with one of their distance in columns. The query of these is not scaled.
/// On another grid than the tables' own these are resized. Keys `qkv`, `proj`, `rel_pos_h`, `rel_pos_w` [2 · side − 1,
/// D / heads].
class GridAttentionImpl : public torch::nn::Module, public InitializesWeights {
 public:
  /// @throws InternalError  if the width is no multiple of the heads
  explicit GridAttentionImpl(const GridAttentionOptions& options);
  /// @param cells  [B, H, W, D]
  /// @return       [B, H, W, D]
  Tensor forward(const Tensor& cells);
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& cells) const;
  void init_weights(const WeightDraws& draws) override;  ///< products N(0, 0.02²), the rest 0

  Tensor rel_pos_h, rel_pos_w;  ///< undefined without relative positions

 private:
  Tensor relative_logits(const Tensor& query, std::int64_t height, std::int64_t width);
  Tensor distances(const Tensor& table, DerivedTable& known, std::int64_t side);
  OnnxValue emit_scaled_products(OnnxBuilder& graph, const OnnxValue& cells) const;
  OnnxValue emit_relative_logits(OnnxBuilder& graph, const OnnxValue& query, std::int64_t height,
                                 std::int64_t width) const;

  std::int64_t heads_, size_;
  Linear qkv_{nullptr}, proj_{nullptr};
  RecentTables<DerivedTable::Size, Tensor> places_;  ///< by side and table's length
  DerivedTable rows_, columns_;
};
TORCH_MODULE(GridAttention);

/// N(0, 0.02²) for a product's weights, 0 for its bias: how vision transformers begin.
/// @param name  of the product, "attn.qkv"
void init_product(const Linear& linear, const std::string& name, const WeightDraws& draws);
/// N(0, 0.02²).
void init_narrow(const Tensor& tensor, const std::string& name, const WeightDraws& draws);

}  // namespace rtdetr
