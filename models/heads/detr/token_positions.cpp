#include "models/heads/detr/token_positions.h"

#include <torch/types.h>

#include <numbers>

#include "core/base/check.h"
#include "core/tensor/check.h"
#include "core/tensor/detection.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kBoxTemperature = 10000;

/// [count] divisors: two of each, for sine and cosine.
Tensor wave_lengths(std::int64_t count, double temperature, const torch::Device& device = torch::kCPU) {
  const Tensor pair = torch::arange(count, torch::TensorOptions(torch::kFloat64).device(device)).div(2, "floor");
  return torch::pow(temperature, pair * 2 / static_cast<double>(count));
}

/// [...] angles → [..., count]: even numbers sines, odd ones cosines.
Tensor waves(const Tensor& angles, const Tensor& lengths) {
  const Tensor turned = (angles.unsqueeze(-1) / lengths).unflatten(-1, {-1, 2});
  return torch::stack({turned.select(-1, 0).sin(), turned.select(-1, 1).cos()}, -1).flatten(-2);
}

/// [length] running count of a mask that is set up to `valid`, as a share of its last value, in 2π.
Tensor places_along(std::int64_t length, std::int64_t valid, double offset) {
  constexpr double kEps = 1e-6;
  const Tensor count = torch::arange(1, length + 1, torch::kFloat64).clamp_max(static_cast<double>(valid));
  return (count + offset) / (static_cast<double>(valid) + kEps) * kTurn;
}

/// [length] 1 within the picture, 0 behind it.
Tensor inside(std::int64_t length, std::int64_t valid) {
  return torch::arange(length, torch::kInt64).lt(valid).to(torch::kFloat64);
}

Tensor point_centres(std::int64_t length, std::int64_t valid) {
  return (torch::arange(length, torch::kFloat64) + 0.5) / static_cast<double>(valid);
}

/// [H, W] → of the rows' numbers, and of the columns'
Tensor along_rows(const Tensor& rows, std::int64_t width) { return rows.unsqueeze(1).expand({-1, width}); }
Tensor along_columns(const Tensor& columns, std::int64_t height) { return columns.unsqueeze(0).expand({height, -1}); }

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

ValidCells valid_cells(const std::vector<LevelShape>& levels, const PictureSize& valid, const PictureSize& whole) {
  RTDETR_CHECK(valid.width > 0 && valid.height > 0 && valid.width <= whole.width && valid.height <= whole.height,
               "a picture of " + std::to_string(valid.width) + "x" + std::to_string(valid.height) +
                   " pixels in a batch of " + std::to_string(whole.width) + "x" + std::to_string(whole.height));
  ValidCells cells;
  for (const LevelShape& level : levels)
    cells.push_back(
        {divide_up(valid.height * level.height, whole.height), divide_up(valid.width * level.width, whole.width)});
  return cells;
}

Tensor sine_positions(const std::vector<LevelShape>& levels, const ValidCells& valid, const SineOptions& o,
                      const torch::TensorOptions& tensor_options) {
  const Tensor lengths = wave_lengths(o.dim / 2, o.temperature);
  std::vector<Tensor> tables;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto [height, width] = levels[l];
    const Tensor rows = along_rows(places_along(height, valid[l].height, o.offset), width) *
                        along_columns(inside(width, valid[l].width), height);
    const Tensor columns = along_columns(places_along(width, valid[l].width, o.offset), height) *
                           along_rows(inside(height, valid[l].height), width);
    tables.push_back(torch::cat({waves(rows, lengths), waves(columns, lengths)}, -1).flatten(0, 1));  // [H·W, D]
  }
  return torch::cat(tables).to(tensor_options);
}

SineTables sine_tables(const LevelShape& level, const SineOptions& o) {
  const Tensor lengths = wave_lengths(o.dim / 2, o.temperature);
  return {waves(places_along(level.height, level.height, o.offset), lengths),
          waves(places_along(level.width, level.width, o.offset), lengths)};
}

OnnxValue emit_sine_of_boxes(OnnxBuilder& graph, const OnnxValue& boxes_cxcywh, std::int64_t dim) {
  const OnnxBuilder::Scope scope = graph.within("sines");
  // One of each two lengths, which are equal.
  const Tensor turns = kTurn / wave_lengths(dim / 2, kBoxTemperature).slice(0, 0, dim / 2, 2);
  const OnnxValue side = onnx::gather(graph, boxes_cxcywh, graph.integers({1, 0, 2, 3}), -1);
  const OnnxValue angles =
      onnx::mul(graph, onnx::unsqueeze(graph, side, -1), graph.precise_constant("turns", turns));  // [B, Q, 4, dim / 4]
  const OnnxValue pairs = onnx::concat(graph,
                                       {onnx::unsqueeze(graph, onnx::unary(graph, "Sin", angles), -1),
                                        onnx::unsqueeze(graph, onnx::unary(graph, "Cos", angles), -1)},
                                       -1);
  return onnx::reshape(graph, pairs, {0, 0, 2 * dim});
}

Tensor sine_of_boxes(const Tensor& boxes_cxcywh, std::int64_t dim) {
  const Tensor lengths = wave_lengths(dim / 2, kBoxTemperature, boxes_cxcywh.device()).to(boxes_cxcywh.options());
  const std::vector<Tensor> side = (boxes_cxcywh * kTurn).unbind(-1);
  return waves(torch::stack({side[1], side[0], side[2], side[3]}, -1), lengths).flatten(-2);
}

Tensor valid_ratios(const std::vector<LevelShape>& levels, const ValidCells& valid) {
  std::vector<double> ratios;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    ratios.push_back(static_cast<double>(valid[l].width) / static_cast<double>(levels[l].width));
    ratios.push_back(static_cast<double>(valid[l].height) / static_cast<double>(levels[l].height));
  }
  return torch::tensor(ratios, torch::kFloat64).view({-1, 2});
}

Tensor token_points(const std::vector<LevelShape>& levels, const ValidCells& valid,
                    const torch::TensorOptions& tensor_options) {
  std::vector<Tensor> points;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto [height, width] = levels[l];
    const Tensor x = along_columns(point_centres(width, valid[l].width), height);
    const Tensor y = along_rows(point_centres(height, valid[l].height), width);
    points.push_back(torch::stack({x, y}, -1).flatten(0, 1));  // [H·W, 2]
  }
  return (torch::cat(points).unsqueeze(1) * valid_ratios(levels, valid)).to(tensor_options);
}

Tensor padded_tokens(const std::vector<LevelShape>& levels, const ValidCells& valid) {
  std::vector<Tensor> masks;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto [height, width] = levels[l];
    const Tensor cells =
        along_rows(inside(height, valid[l].height), width) * along_columns(inside(width, valid[l].width), height);
    masks.push_back(cells.eq(0).flatten());
  }
  return torch::cat(masks);
}

TokenPadding token_padding(const std::vector<LevelShape>& levels, const std::vector<PictureSize>& valid,
                           const PictureSize& whole, const torch::TensorOptions& tensor_options) {
  TokenPadding padding;
  if (valid.empty()) return padding;
  std::vector<Tensor> hidden, ratios;
  for (const PictureSize& size : valid) {
    padding.valid.push_back(valid_cells(levels, size, whole));
    hidden.push_back(padded_tokens(levels, padding.valid.back()));
    ratios.push_back(valid_ratios(levels, padding.valid.back()));
  }
  padding.hidden = torch::stack(hidden).to(tensor_options.device());
  padding.ratios = torch::stack(ratios).to(tensor_options);
  return padding;
}

}  // namespace rtdetr
