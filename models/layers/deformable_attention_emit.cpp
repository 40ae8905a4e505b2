// Deformable attention in operators of ONNX. The idea: the values stay where their product leaves them, [B, S, M, D/M],
// seen as a table of rows of D/M numbers; a sampled point is a few row numbers and their shares. One Gather fetches the
// rows of all levels, one product adds them up, and nothing is transposed. Engines that have no GridSample, or a wrong
// one, run this (docs/decisions/0008-onnx-by-hand.md); GridSample, level by level, is an option.
#include <torch/types.h>

#include "core/base/check.h"
#include "core/tensor/check.h"
#include "models/layers/basic.h"
#include "models/layers/deformable_attention.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

/// What is sampled, where, and how much it counts.
struct SampledPoints {
  OnnxBuilder& graph;
  const DeformableAttentionOptions& options;
  const OnnxSampling& sampling;
  OnnxValue value;      ///< [B, S, D]
  OnnxValue locations;  ///< [B, Q, M, P, 2] x, y as fractions of the level
  OnnxValue weights;    ///< [B, Q, M, P]

  OnnxValue number(const char* role, double value_of_it) const {
    return graph.precise_constant(role, torch::scalar_tensor(value_of_it, torch::kDouble));
  }
  /// A constant with a row for each point, which says the same for all points of a level.
  template <typename OfLevel>
  OnnxValue of_points(const char* role, const OfLevel& of_level) const {
    std::vector<torch::Tensor> rows;
    for (std::size_t l = 0; l < sampling.levels.size(); ++l) {
      const std::vector<double> row = of_level(l);
      rows.insert(rows.end(), options.points[l], torch::tensor(row, torch::kDouble));
    }
    return graph.precise_constant(role, torch::stack(rows));
  }
  OnnxValue sizes() const {
    if (!sampling.free.empty()) return sampling.free.point_sizes;
    return of_points("sizes", [&](std::size_t l) {
      return std::vector<double>{double(sampling.levels[l].width), double(sampling.levels[l].height)};
    });
  }
  /// Of the last column and row that may be sampled.
  OnnxValue last_cells() const {
    if (!sampling.free.empty()) return sampling.free.last_cells;
    return of_points("last_cells", [&](std::size_t l) {
      const auto [height, width] = sampling.levels[l];
      const bool square = options.sampling == SamplingMethod::kDiscreteSquare;
      return std::vector<double>{double((square ? std::min(width, height) : width) - 1), double(height - 1)};
    });
  }
  OnnxValue widths() const {
    if (!sampling.free.empty()) return sampling.free.widths;
    return of_points("widths", [&](std::size_t l) { return std::vector<double>{double(sampling.levels[l].width)}; });
  }
  OnnxValue first_tokens() const {
    if (!sampling.free.empty()) return sampling.free.first_tokens;
    return of_points("first_tokens", [&](std::size_t l) {
      double first = 0;
      for (std::size_t k = 0; k < l; ++k) first += double(sampling.levels[k].height * sampling.levels[k].width);
      return std::vector<double>{first};
    });
  }
};

/// The tokens that make up the points' values: `corners` of each.
struct SampledTokens {
  OnnxValue tokens;  ///< [B, Q, M, P, corners] their numbers in the picture
  OnnxValue shares;  ///< [B, Q, M, P, corners]
};

OnnxValue inside_the_map(const SampledPoints& p, const OnnxValue& cells) {
  return onnx::min(p.graph, onnx::max(p.graph, cells, p.number("zero", 0)), p.last_cells());
}

/// The token in front of a row's first. @param rows  [B, Q, M, P, 1]
OnnxValue row_start(const SampledPoints& p, const OnnxValue& rows) {
  return onnx::add(p.graph, onnx::mul(p.graph, rows, p.widths()), p.first_tokens());
}

std::vector<OnnxValue> x_and_y(const SampledPoints& p, const OnnxValue& pairs) {
  return onnx::split(p.graph, pairs, {1, 1}, -1);
}

/// Of the cells left of and above the points, or right of and below them.
struct CellSide {
  std::vector<OnnxValue> cell, share;  ///< x, y: [B, Q, M, P, 1]
};

/// A cell outside the map counts for nothing, and the nearest one inside is fetched for it.
CellSide cell_side(const SampledPoints& p, const OnnxValue& cells, const OnnxValue& share) {
  const OnnxValue inside = inside_the_map(p, cells);
  const OnnxValue counts = onnx::cast(p.graph, onnx::equal(p.graph, inside, cells), p.graph.precise_type());
  return {x_and_y(p, inside), x_and_y(p, onnx::mul(p.graph, share, counts))};
}

SampledTokens bilinear_tokens(const SampledPoints& p) {
  OnnxBuilder& graph = p.graph;
  const OnnxValue one = p.number("one", 1);
  const OnnxValue cells = onnx::sub(graph, onnx::mul(graph, p.locations, p.sizes()), p.number("half", 0.5));
  const OnnxValue low = onnx::unary(graph, "Floor", cells), fraction = onnx::sub(graph, cells, low);
  const CellSide sides[2] = {cell_side(p, low, onnx::sub(graph, one, fraction)),
                             cell_side(p, onnx::add(graph, low, one), fraction)};
  std::vector<OnnxValue> tokens, shares;
  for (const CellSide& y : sides) {
    const OnnxValue start = row_start(p, y.cell[1]);
    for (const CellSide& x : sides) {
      tokens.push_back(onnx::add(graph, start, x.cell[0]));
      shares.push_back(onnx::mul(graph, y.share[1], x.share[0]));
    }
  }
  const OnnxValue weights = onnx::cast(graph, onnx::unsqueeze(graph, p.weights, -1), graph.precise_type());
  const OnnxValue weighted = onnx::mul(graph, onnx::concat(graph, shares, -1), weights);
  return {onnx::concat(graph, tokens, -1), onnx::cast(graph, weighted, graph.float_type())};
}

/// The cell at trunc(location · size + 0.5), brought into the map.
SampledTokens nearest_tokens(const SampledPoints& p) {
  OnnxBuilder& graph = p.graph;
  const OnnxValue cells = onnx::add(graph, onnx::mul(graph, p.locations, p.sizes()), p.number("half", 0.5));
  const auto cell = x_and_y(p, onnx::unary(graph, "Floor", inside_the_map(p, cells)));
  return {onnx::add(graph, row_start(p, cell[1]), cell[0]), p.weights};
}

/// @return  [B, Q, D]
OnnxValue gathered(const SampledPoints& p, const SampledTokens& sampled) {
  OnnxBuilder& graph = p.graph;
  const std::int64_t heads = p.options.heads, dim = p.options.dim;
  // Row numbers begin as floats, which are exact up to 2^24.
  const OnnxValue tokens = onnx::cast(graph, onnx::reshape(graph, sampled.tokens, {0, 0, heads, -1}), OnnxType::kInt64);
  const OnnxValue head = graph.constant("head", torch::arange(heads, torch::kLong).view({heads, 1}));
  const OnnxValue of_heads = onnx::add(graph, onnx::mul(graph, tokens, graph.integer(heads)), head);
  const OnnxValue rows = onnx::add(graph, of_heads, p.sampling.first_rows);  // [B, Q, M, points · corners]
  const OnnxValue table = onnx::reshape(graph, p.value, {-1, dim / heads});
  const OnnxValue shares = onnx::reshape(graph, sampled.shares, {0, 0, heads, 1, -1});
  return onnx::reshape(graph, onnx::matmul(graph, shares, onnx::gather(graph, table, rows)), {0, 0, dim});
}

/// What the product of the values gave each level. [B, H · W, D] each
std::vector<OnnxValue> values_by_level(const SampledPoints& p, const OnnxValue& values) {
  const OnnxFreeLevels& free = p.sampling.free;
  if (free.empty()) {
    std::vector<std::int64_t> cells;
    for (const LevelShape& level : p.sampling.levels) cells.push_back(level.height * level.width);
    return onnx::split(p.graph, values, cells, 1);
  }
  std::vector<OnnxValue> parts;
  for (std::size_t l = 0; l < free.sizes.size(); ++l)
    parts.push_back(onnx::slice_of_rows(p.graph, values, free.starts[l], free.starts[l + 1]));
  return parts;
}

/// Level `l` as maps of the heads. @param values  [B, H · W, D]  @return  [B · M, D/M, H, W]
OnnxValue map_of_heads(const SampledPoints& p, const OnnxValue& values, std::size_t l) {
  const std::int64_t width_of_head = p.options.dim / p.options.heads;
  const OnnxValue channels_first = onnx::transpose(p.graph, values, {0, 2, 1});
  if (!p.sampling.free.empty())
    return onnx::reshape_to_map(p.graph, channels_first, {-1, width_of_head}, p.sampling.free.sizes[l]);
  const auto [height, width] = p.sampling.levels[l];
  return onnx::reshape(p.graph, channels_first, {-1, width_of_head, height, width});
}

/// [P, 2] a cell of the point's level, as fractions of its map.
torch::Tensor units_of_cells(const std::vector<LevelShape>& levels, const std::vector<std::int64_t>& points) {
  std::vector<double> units;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    for (std::int64_t k = 0; k < points[l]; ++k)
      units.insert(units.end(), {1 / static_cast<double>(levels[l].width), 1 / static_cast<double>(levels[l].height)});
  }
  return torch::tensor(units, torch::kDouble).view({-1, 2});
}

/// GridSample level by level. @return  [B, Q, D]
OnnxValue grid_sampled(const SampledPoints& p) {
  OnnxBuilder& graph = p.graph;
  const std::int64_t heads = p.options.heads, dim = p.options.dim, queries = p.locations.size(1),
                     points = p.locations.size(3);
  const auto values = values_by_level(p, onnx::cast(graph, p.value, graph.precise_type()));
  const OnnxValue grid = onnx::sub(graph, onnx::mul(graph, p.locations, p.number("two", 2)), p.number("one", 1));
  const OnnxValue by_head =
      onnx::reshape(graph, onnx::transpose(graph, grid, {0, 2, 1, 3, 4}), {-1, queries, points, 2});
  const auto grids = onnx::split(graph, by_head, p.options.points, 2);
  std::vector<OnnxValue> sampled;  // [B·M, D/M, Q, P_l] each
  for (std::size_t l = 0; l < values.size(); ++l) {
    const OnnxValue map = map_of_heads(p, values[l], l);
    sampled.push_back(graph.node("GridSample", {map, grids[l]},
                                 {{OnnxValue::kBatch, dim / heads, queries, p.options.points[l]}, map.type},
                                 {{"mode", std::string("bilinear")},
                                  {"padding_mode", std::string("zeros")},
                                  {"align_corners", std::int64_t{0}}}));
  }
  const OnnxValue all = onnx::transpose(graph, onnx::concat(graph, sampled, 3), {0, 2, 1, 3});  // [B·M, Q, D/M, P]
  const OnnxValue weights =
      onnx::reshape(graph, onnx::transpose(graph, p.weights, {0, 2, 1, 3}), {-1, queries, points, 1});
  const OnnxValue mixed = onnx::matmul(graph, onnx::cast(graph, all, graph.float_type()), weights);
  const OnnxValue heads_apart = onnx::reshape(graph, mixed, {-1, heads, queries, dim / heads});
  return onnx::reshape(graph, onnx::transpose(graph, heads_apart, {0, 2, 1, 3}), {0, 0, dim});
}

}  // namespace

/// [B, Q, M · P · 2]. What a unit of an offset means is part of the offsets' weights.
/// @param unit  [P, 2]
OnnxValue DeformableAttentionImpl::emit_offsets(OnnxBuilder& graph, const OnnxValue& query,
                                                const torch::Tensor& unit) const {
  const OnnxBuilder::Scope scope = graph.within("sampling_offsets");
  const torch::Tensor scale = unit.repeat({options_.heads, 1}).flatten();  // [M · P · 2]
  const torch::Tensor weight = sampling_offsets->weight.cpu().to(torch::kDouble) * scale.unsqueeze(1),
                      bias = sampling_offsets->bias.cpu().to(torch::kDouble) * scale;
  return onnx::linear(graph, query, weight, bias);
}

/// Of offsets from a box, in its sides.
torch::Tensor DeformableAttentionImpl::unit_of_sides() const {
  return offset_unit(torch::ones({1, 2}, torch::kDouble)).expand({total_points_, 2});
}

/// [B, Q, M, P, 2]
OnnxValue DeformableAttentionImpl::emit_locations(OnnxBuilder& graph, const OnnxValue& query,
                                                  const OnnxValue& reference,
                                                  const std::vector<LevelShape>& levels) const {
  const bool from_points = reference.size(-1) == 2;
  const torch::Tensor unit = from_points ? units_of_cells(levels, options_.points) : unit_of_sides();
  const OnnxValue offsets =
      onnx::reshape(graph, emit_offsets(graph, query, unit), {0, 0, options_.heads, total_points_, 2});
  const OnnxValue steps = onnx::cast(graph, offsets, graph.precise_type());
  const OnnxValue from = onnx::reshape(graph, reference, {0, 0, 1, 1, reference.size(-1)});
  if (from_points) return onnx::add(graph, from, steps);
  const auto box = onnx::split(graph, from, {2, 2}, -1);
  return onnx::add(graph, box[0], onnx::mul(graph, steps, box[1]));
}

/// The whole of it between its products as one node of the native dialect.
OnnxValue DeformableAttentionImpl::emit_native(OnnxBuilder& graph, const OnnxValue& value, const OnnxValue& query,
                                               const OnnxValue& reference, const OnnxSampling& sampling) const {
  const OnnxValue offsets = emit_offsets(graph, query, unit_of_sides());
  const OnnxValue scores = graph.emit("attention_weights", attention_weights, query);
  std::vector<std::int64_t> heights, widths;
  for (const LevelShape& level : sampling.levels) heights.push_back(level.height), widths.push_back(level.width);
  return graph.node("DeformableAttention", {value, offsets, scores, reference}, {query.shape, value.type},
                    {{"heads", options_.heads},
                     {"points", options_.points},
                     {"heights", heights},
                     {"widths", widths},
                     {"method", static_cast<std::int64_t>(options_.sampling)}});
}

OnnxValue DeformableAttentionImpl::emit(OnnxBuilder& graph, const OnnxValue& query, const OnnxValue& reference,
                                        const OnnxValue& memory, const OnnxSampling& sampling) const {
  RTDETR_CHECK(sampling.levels.size() == options_.points.size(), "a number of points for each level");
  if (!options_.projections) return emit_mixed(graph, memory, query, reference, sampling);
  const OnnxValue value = emit_within_float16(graph, graph.emit("value_proj", value_proj, memory));
  return graph.emit("output_proj", output_proj, emit_mixed(graph, value, query, reference, sampling));
}

OnnxValue DeformableAttentionImpl::emit_mixed(OnnxBuilder& graph, const OnnxValue& value, const OnnxValue& query,
                                              const OnnxValue& reference, const OnnxSampling& sampling) const {
  if (graph.native()) return emit_native(graph, value, query, reference, sampling);
  const OnnxValue locations = emit_locations(graph, query, reference, sampling.levels);
  const OnnxValue scores = graph.emit("attention_weights", attention_weights, query);
  const OnnxValue weights = onnx::softmax(graph, onnx::reshape(graph, scores, {0, 0, options_.heads, total_points_}));
  const SampledPoints points{graph, options_, sampling, value, locations, weights};
  const bool bilinear = options_.sampling == SamplingMethod::kBilinear;
  if (bilinear && sampling.grid_sample) return grid_sampled(points);
  return gathered(points, bilinear ? bilinear_tokens(points) : nearest_tokens(points));
}

}  // namespace rtdetr
