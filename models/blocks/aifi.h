#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/layers/attention.h"
#include "models/layers/basic.h"
#include "models/layers/block.h"
#include "models/layers/recent_tables.h"
#include "models/onnx/onnx_map_size.h"

/// AIFI, attention-based intra-scale feature interaction (RT-DETR §4.2): transformer encoder layers over one map.
namespace rtdetr {

/// How a map's cells get their position.
enum class PositionOrder {
  kRowColumn,  ///< first half of the channels: the row, second half: the column
  /// The official table is built column-major and read row-major: the same on square maps, scrambled on others.
  kOfficial,
};

/// [1, H·W, D] sines and cosines: [sin(a·ω), cos(a·ω), sin(b·ω), cos(b·ω)], ω_j = 10000^(−4j/D); (a, b) is (row,
/// column) of the token. Computed in `options`' type, in float32 for half types.
/// @param size  D, a multiple of 4
Tensor position_table(std::int64_t height, std::int64_t width, std::int64_t size, PositionOrder order,
                      const torch::TensorOptions& options);

struct AifiOptions {
  std::int64_t size = 256, hidden = 1024, heads = 8;
  Activation activation = Activation::kGelu;
  bool norm_first = false;
  PositionOrder order = PositionOrder::kRowColumn;
  /// Registered names: Ultralytics' ma, fc1, fc2 or the official ones.
  std::string attention_name = "ma", linear1_name = "fc1", linear2_name = "fc2";
};

/// One encoder layer over the cells of a map [B, D, H, W]: x + attention(q = k = x + position, v = x), norm, x +
/// mlp(x), norm; or the norms first. Keys as named, norm1, norm2.
class AifiImpl : public Block {
 public:
  explicit AifiImpl(const AifiOptions& options);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;

 private:
  Tensor encode(const Tensor& tokens, const Tensor& position);
  Tensor mlp(const Tensor& tokens);
  OnnxValue emit_tokens(OnnxBuilder& graph, const OnnxValue& tokens, const OnnxValue& position) const;
  OnnxValue emit_position(OnnxBuilder& graph, const OnnxMapSize& size) const;
  OnnxValue emit_mlp(OnnxBuilder& graph, const OnnxValue& tokens) const;
  Tensor position_for(const Tensor& map);  ///< [1, H·W, D]

  AifiOptions options_;
  SelfAttention attention_{nullptr};
  Linear linear1_{nullptr}, linear2_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  RecentTables<std::pair<std::int64_t, std::int64_t>, Tensor> positions_;  ///< by height and width
};
TORCH_MODULE(Aifi);

/// Encoder layers in sequence with the official keys layers.<k>.{self_attn, linear1, linear2, norm1, norm2}. All start
/// as copies of the first.
class TransformerEncoderImpl : public Block, public InitializesWeights {
 public:
  TransformerEncoderImpl(const AifiOptions& options, std::int64_t num_layers);
  Tensor forward(const Tensor& x) override;
  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override;
  void init_weights(const WeightDraws& draws) override;

 private:
  std::vector<Aifi> layers_;
};
TORCH_MODULE(TransformerEncoder);

}  // namespace rtdetr
