#pragma once

#include <vector>

#include <torch/types.h>

#include "core/image/picture_size.h"
#include "core/ops/ms_deform_attn.h"
#include "models/onnx/onnx_builder.h"

/// Where tokens and boxes lie, as numbers that a transformer reads: tables of sines, and the points around which a
/// deformable encoder looks (Deformable DETR, arXiv 2010.04159 §4; DINO, arXiv 2203.03605).
namespace rtdetr {

/// Of one picture that may be smaller than its batch: its part of each level's map, from the top left corner.
using ValidCells = std::vector<LevelShape>;

/// The cells that a picture of `valid` pixels covers in maps of a batch of `whole` pixels: those whose first pixel it
/// has, as nearest-neighbour scaling of its mask tells them.
ValidCells valid_cells(const std::vector<LevelShape>& levels, const PictureSize& valid, const PictureSize& whole);

struct SineOptions {
  std::int64_t dim = 256;   ///< a multiple of 4
  double temperature = 20;  ///< the longest wave is about so many times the shortest
  double offset = 0;        ///< of counts of rows and columns (detrex's 12-epoch models: -0.5, temperature 10000)
};

/// Sines and cosines of each token's row and column: the share of the picture's rows up to it, in 2π; the first half of
/// the channels tells the row. In a padded cell the coordinate that is outside counts as the picture's last, and the
/// other as none, as the reference's running count of its mask has it.
/// @return  [S, D] of `tensor_options`, computed in float64
torch::Tensor sine_positions(const std::vector<LevelShape>& levels, const ValidCells& valid, const SineOptions& options,
                             const torch::TensorOptions& tensor_options);

/// The same of one level's rows and columns, apart: [H, D / 2] and [W, D / 2], float64 on the CPU.
struct SineTables {
  torch::Tensor rows, columns;
};
SineTables sine_tables(const LevelShape& level, const SineOptions& options);

/// Sines and cosines of boxes: cy, cx, w, h, `dim` / 2 numbers each, temperature 10000.
/// @param boxes_cxcywh  [..., 4] fraction of the image
/// @return              [..., 2 · dim] in their type
torch::Tensor sine_of_boxes(const torch::Tensor& boxes_cxcywh, std::int64_t dim);
OnnxValue emit_sine_of_boxes(OnnxBuilder& graph, const OnnxValue& boxes_cxcywh, std::int64_t dim);

/// The share of each level's map that the picture covers. @return  [L, 2] width, height, float64 on the CPU
torch::Tensor valid_ratios(const std::vector<LevelShape>& levels, const ValidCells& valid);

/// Where each token looks on each level: its cell's centre as a fraction of the picture, put into that level's map.
/// @return  [S, L, 2] x, y of `tensor_options`, computed in float64
torch::Tensor token_points(const std::vector<LevelShape>& levels, const ValidCells& valid,
                           const torch::TensorOptions& tensor_options);

/// @return  [S] bool on the CPU, true = outside of the picture
torch::Tensor padded_tokens(const std::vector<LevelShape>& levels, const ValidCells& valid);

/// What a batch of padded pictures has for each of them; undefined where all are whole.
struct TokenPadding {
  std::vector<ValidCells> valid;  ///< B
  torch::Tensor hidden;           ///< [B, S] bool
  torch::Tensor ratios;           ///< [B, L, 2] width, height
  bool any() const { return hidden.defined(); }
};

/// @param valid           pixels of each picture; none: no padding
/// @param tensor_options  of the ratios
TokenPadding token_padding(const std::vector<LevelShape>& levels, const std::vector<PictureSize>& valid,
                           const PictureSize& whole, const torch::TensorOptions& tensor_options);

}  // namespace rtdetr
