// The deformable encoder in front of query selection.
#include <ATen/record_function.h>
#include <torch/torch.h>

#include "models/heads/detr/decoder.h"

namespace rtdetr {
namespace {

Tensor level_of_token(const Tensor& level_embed, const std::vector<LevelShape>& levels) {
  std::vector<Tensor> rows;
  for (std::size_t l = 0; l < levels.size(); ++l)
    rows.push_back(
        level_embed.narrow(0, static_cast<std::int64_t>(l), 1).expand({levels[l].height * levels[l].width, -1}));
  return torch::cat(rows);  // [S, D]
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

}  // namespace rtdetr
