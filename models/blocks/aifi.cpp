#include "models/blocks/aifi.h"

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "models/graph/registry.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

namespace {

/// [D / 4], the fastest first.
Tensor wave_frequencies(std::int64_t size, const torch::TensorOptions& options) {
  return torch::pow(10000.0, torch::arange(size / 4, options) / (-size / 4.0));
}

}  // namespace

Tensor position_table(std::int64_t height, std::int64_t width, std::int64_t size, PositionOrder order,
                      const torch::TensorOptions& options) {
  const auto type = options.dtype() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const torch::TensorOptions exact = options.dtype(type);
  const Tensor frequency = wave_frequencies(size, exact);
  const Tensor token = torch::arange(height * width, exact.dtype(torch::kInt64));
  const std::int64_t divisor = order == PositionOrder::kRowColumn ? width : height;
  const auto waves = [&](const Tensor& coordinate) {  // [H·W, D/2]
    const Tensor angle = coordinate.to(type).unsqueeze(1) * frequency;
    return torch::cat({angle.sin(), angle.cos()}, 1);
  };
  const Tensor first = waves(torch::div(token, divisor, "floor"));
  const Tensor second = waves(torch::remainder(token, divisor));
  return torch::cat({first, second}, 1).unsqueeze(0).to(options.dtype());
}

AifiImpl::AifiImpl(const AifiOptions& options) : options_(options) {
  const AifiOptions& o = options_;
  attention_ = register_module(o.attention_name, SelfAttention(o.size, o.heads));
  linear1_ = register_module(o.linear1_name, Linear(o.size, o.hidden));
  linear2_ = register_module(o.linear2_name, Linear(o.hidden, o.size));
  norm1_ = register_module("norm1", LayerNorm(o.size));
  norm2_ = register_module("norm2", LayerNorm(o.size));
}

Tensor AifiImpl::position_for(const Tensor& map) {
  const auto height = map.size(2), width = map.size(3);
  const torch::TensorOptions options = map.options().requires_grad(false);
  return positions_.get({height, width}, options,
                        [&] { return position_table(height, width, options_.size, options_.order, options); });
}

Tensor AifiImpl::mlp(const Tensor& tokens) {
  return linear2_->forward(activate(within_float16(linear1_->forward(tokens)), options_.activation));
}

Tensor AifiImpl::encode(const Tensor& tokens, const Tensor& position) {
  if (options_.norm_first) {
    const Tensor normed = norm1_->forward(tokens);
    const Tensor x = residual(tokens, attention_->forward(normed + position, normed));
    return residual(x, mlp(norm2_->forward(x)));
  }
  const Tensor x = norm1_->forward(residual(tokens, attention_->forward(tokens + position, tokens)));
  return norm2_->forward(residual(x, mlp(x)));
}

Tensor AifiImpl::forward(const Tensor& x) {
  const Tensor tokens = x.flatten(2).transpose(1, 2);  // [B, H·W, D]
  const Tensor encoded = encode(tokens, position_for(x));
  return encoded.transpose(1, 2).view({x.size(0), x.size(1), x.size(2), x.size(3)});  // channels-last in memory
}

OnnxValue AifiImpl::emit_mlp(OnnxBuilder& graph, const OnnxValue& tokens) const {
  const OnnxValue hidden = emit_within_float16(graph, graph.emit("linear1", linear1_, tokens));
  return graph.emit("linear2", linear2_, emit_activation(graph, hidden, options_.activation));
}

OnnxValue AifiImpl::emit_tokens(OnnxBuilder& graph, const OnnxValue& tokens, const OnnxValue& position) const {
  if (options_.norm_first) {
    const OnnxValue normed = graph.emit("norm1", norm1_, tokens);
    const OnnxValue placed = onnx::add(graph, normed, position);
    const OnnxValue x = emit_residual(graph, tokens, graph.emit("attention", attention_, placed, normed));
    return emit_residual(graph, x, emit_mlp(graph, graph.emit("norm2", norm2_, x)));
  }
  const OnnxValue placed = onnx::add(graph, tokens, position);
  const OnnxValue mixed = emit_residual(graph, tokens, graph.emit("attention", attention_, placed, tokens));
  const OnnxValue x = graph.emit("norm1", norm1_, mixed);
  return graph.emit("norm2", norm2_, emit_residual(graph, x, emit_mlp(graph, x)));
}

/// position_table() in the graph. [H·W, D]
OnnxValue AifiImpl::emit_position(OnnxBuilder& graph, const OnnxMapSize& size) const {
  const OnnxBuilder::Scope scope = graph.within("position");
  const bool by_rows = options_.order == PositionOrder::kRowColumn;
  const OnnxCells cells = onnx::cells_divided(graph, size, by_rows ? size.width : size.height);
  const OnnxValue frequency = graph.precise_constant("frequency", wave_frequencies(options_.size, torch::kFloat64));
  std::vector<OnnxValue> waves;
  for (const OnnxValue& coordinate : {cells.quotients, cells.remainders}) {
    const OnnxValue column = onnx::unsqueeze(graph, onnx::cast(graph, coordinate, graph.precise_type()), -1);
    const OnnxValue angle = onnx::mul(graph, column, frequency);
    for (const char* wave : {"Sin", "Cos"}) waves.push_back(onnx::unary(graph, wave, angle));
  }
  return onnx::cast(graph, onnx::concat(graph, waves, -1), graph.float_type());
}

OnnxValue AifiImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  const OnnxValue tokens = onnx::transpose(graph, onnx::reshape(graph, x, {0, 0, -1}), {0, 2, 1});
  const auto encoded = [&](const OnnxValue& position) {
    return onnx::transpose(graph, emit_tokens(graph, tokens, position), {0, 2, 1});
  };
  if (graph.native()) {
    const std::int64_t height = x.size(2), width = x.size(3);
    const Tensor table = position_table(height, width, options_.size, options_.order, torch::kFloat64);
    return onnx::reshape(graph, encoded(graph.constant("position", table)), {0, 0, height, width});
  }
  const OnnxMapSize size = onnx::map_size(graph, x);
  return onnx::reshape_to_map(graph, encoded(emit_position(graph, size)), {0, 0}, size);
}

TransformerEncoderImpl::TransformerEncoderImpl(const AifiOptions& options, std::int64_t num_layers) {
  for (std::int64_t k = 0; k < num_layers; ++k) {
    layers_.emplace_back(options);
    register_at(*this, "layers." + std::to_string(k), layers_.back().ptr());
  }
}

Tensor TransformerEncoderImpl::forward(const Tensor& x) {
  Tensor y = x;
  for (Aifi& layer : layers_) y = layer->forward(y);
  return y;
}

OnnxValue TransformerEncoderImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  OnnxValue y = x;
  for (std::size_t k = 0; k < layers_.size(); ++k) y = graph.emit("layers." + std::to_string(k), layers_[k], y);
  return y;
}

void TransformerEncoderImpl::init_weights(const WeightDraws&) {
  for (std::size_t k = 1; k < layers_.size(); ++k) copy_state(*layers_.front(), *layers_[k]);
}

namespace {

ArgumentSpec position_argument(const char* standard) {
  return text_argument("position", "order of the position table; official: scrambled on maps that are not square",
                       {"row_column", "official"})
      .fallback(standard)
      .named_only();
}

FeatureMap check_heads(const RowContext& row) {
  const std::int64_t channels = row.input().channels, heads = row.args.integer("heads");
  if (channels % heads || channels % 4) {
    refuse("expected input channels that are a multiple of 4 and of the " + std::to_string(heads) + " heads, found " +
           std::to_string(channels));
  }
  return row.input();
}

AifiOptions aifi_options(const RowContext& row) {
  AifiOptions options;
  options.size = row.input().channels;
  options.hidden = row.args.integer("hidden");
  options.heads = row.args.integer("heads");
  options.activation = activation_from_name(row.args.text("act"));
  options.norm_first = row.args.flag("normalize_before");
  options.order = row.args.text("position") == "official" ? PositionOrder::kOfficial : PositionOrder::kRowColumn;
  return options;
}

std::vector<ArgumentSpec> aifi_arguments(int hidden, const char* position) {
  return {integer_argument("hidden", "width of the feed-forward part")
              .alias("cm")
              .alias("ffn")
              .fallback(hidden)
              .range(1, 65536),
          integer_argument("heads", "attention heads").alias("num_heads").fallback(8).range(1, 256),
          number_argument("dropout", "always 0").fallback(0.0).range(0, 0),
          activation_argument("act", "activation").fallback("gelu"),
          flag_argument("normalize_before", "norms in front").fallback(false),
          position_argument(position)};
}

}  // namespace

void register_attention_blocks(Registry& registry) {
  registry.add({.name = "AIFI",
                .summary = "transformer encoder layer over the cells of a map (Ultralytics' keys)",
                .arguments = aifi_arguments(2048, "row_column"),
                .output = check_heads,
                .build = [](const RowContext& row) -> BlockPtr { return Aifi(aifi_options(row)).ptr(); }});
  registry.add({.name = "TransformerEncoder",
                .summary = "the same with the official keys; repeats = its layers",
                .arguments = aifi_arguments(1024, "official"),
                .repeats = Repeats::kInner,
                .output = check_heads,
                .build = [](const RowContext& row) -> BlockPtr {
                  AifiOptions options = aifi_options(row);
                  options.attention_name = "self_attn";
                  options.linear1_name = "linear1";
                  options.linear2_name = "linear2";
                  return TransformerEncoder(options, row.repeats).ptr();
                }});
}

}  // namespace rtdetr
