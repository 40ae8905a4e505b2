// The deformable encoder in front of query selection.
#include <ATen/record_function.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "models/heads/detr/decoder.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

Tensor level_of_token(const Tensor& level_embed, const std::vector<LevelShape>& levels) {
  std::vector<Tensor> rows;
  for (std::size_t l = 0; l < levels.size(); ++l)
    rows.push_back(
        level_embed.narrow(0, static_cast<std::int64_t>(l), 1).expand({levels[l].height * levels[l].width, -1}));
  return torch::cat(rows);  // [S, D]
}

/// [1, S, D], put together in the graph: the whole table would be as large as a layer's weights.
OnnxValue emit_positions(OnnxBuilder& graph, const Tensor& level_embed, const std::vector<LevelShape>& levels,
                         const SineOptions& options) {
  const OnnxBuilder::Scope scope = graph.within("positions");
  std::vector<OnnxValue> tables;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto [height, width] = levels[l];
    const SineTables sines = sine_tables(levels[l], options);
    const auto along = [&](const char* role, const Tensor& table, std::int64_t axis, std::int64_t repeats) {
      const Tensor zeros = torch::zeros({axis == 0 ? repeats : 1, axis == 1 ? repeats : 1, 1}, torch::kDouble);
      return onnx::add(graph, graph.constant(role, table.unsqueeze(axis)), graph.constant("repeats", zeros));
    };
    const OnnxValue both = onnx::concat(
        graph, {along("rows", sines.rows, 1, width), along("columns", sines.columns, 0, height)}, -1);  // [H, W, D]
    const OnnxValue cells = onnx::reshape(graph, both, {1, height * width, options.dim});
    const Tensor embed = level_embed.detach()[static_cast<std::int64_t>(l)].to(torch::kDouble);
    tables.push_back(onnx::add(graph, cells, graph.constant("level_embed", embed)));
  }
  return onnx::concat(graph, tables, 1);
}

}  // namespace

void RTDETRDecoderImpl::encode(Memory& memory, MapProbe* probe) {
  RECORD_USER_SCOPE("deformable encoder");
  const EncoderTables tables = encoder_tables(memory);
  const Tensor embed = level_of_token(level_embed_, memory.levels);
  const Tensor position = (tables.positions + embed).to(memory.tokens.scalar_type());
  for (EncoderLayer& layer : encoder_) {
    memory.tokens = layer(memory.tokens, position, tables.points, memory.levels, memory.padding.hidden);
    if (probe) probe->tokens.push_back(memory.tokens);
  }
}

RTDETRDecoderImpl::EncoderTables RTDETRDecoderImpl::encoder_tables(const Memory& memory) {
  const SineOptions sine{options_.dim, options_.position_temperature, options_.position_offset};
  const auto in_type = memory.tokens.options().dtype(box_type(memory)).requires_grad(false);
  const auto make = [&](const ValidCells& valid) -> EncoderTables {
    return {sine_positions(memory.levels, valid, sine, in_type).unsqueeze(0),
            token_points(memory.levels, valid, in_type).unsqueeze(0)};
  };
  if (!memory.padding.any()) return encoder_tables_.get(memory.levels, in_type, [&] { return make(memory.levels); });
  std::vector<Tensor> positions, points;
  for (const ValidCells& valid : memory.padding.valid) {
    const EncoderTables tables = make(valid);
    positions.push_back(tables.positions);
    points.push_back(tables.points);
  }
  return {torch::cat(positions), torch::cat(points)};
}

OnnxValue RTDETRDecoderImpl::emit_encoder(OnnxBuilder& graph, const OnnxMemory& memory,
                                          const OnnxSampling& sampling) const {
  if (!memory.free_levels.empty()) throw ModelError("encoder_layers have no ONNX form of free height and width");
  const OnnxBuilder::Scope scope = graph.within("encoder");
  const OnnxValue position = emit_positions(graph, level_embed_, memory.levels,
                                            {options_.dim, options_.position_temperature, options_.position_offset});
  const torch::Tensor centres = token_points(memory.levels, memory.levels, torch::kDouble).select(1, 0).unsqueeze(0);
  const OnnxValue points = graph.precise_constant("points", centres);
  OnnxValue tokens = memory.tokens;
  for (std::size_t k = 0; k < encoder_.size(); ++k)
    tokens = graph.emit(indexed("layers", k), encoder_[k], tokens, position, points, sampling);
  return tokens;
}

}  // namespace rtdetr
