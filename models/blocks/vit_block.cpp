#include "models/blocks/vit_block.h"

#include <cmath>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/autocast.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

GridAttentionOptions attention_options(const VitBlockOptions& o) {
  GridAttentionOptions options{.dim = o.dim, .heads = o.heads};
  if (!o.relative_positions) return options;
  options.height = o.window > 0 ? o.window : o.grid_height;
  options.width = o.window > 0 ? o.window : o.grid_width;
  return options;
}

/// N(0, 2 / (out · k²)).
void init_by_fan_out(const Convolution& conv, const std::string& name, const WeightDraws& draws) {
  const ConvolutionOptions& o = conv->options();
  const torch::NoGradGuard no_grad;
  draws.normal(conv->weight, name + ".weight");
  conv->weight.mul_(std::sqrt(2.0 / static_cast<double>(o.out * o.kernel * o.kernel)));
}

/// What a side lacks to be a multiple of the window's.
std::int64_t missing_to(std::int64_t side, std::int64_t window) { return (window - side % window) % window; }

}  // namespace

Windows cut_windows(const Tensor& cells, std::int64_t window) {
  const auto height = cells.size(1), width = cells.size(2), channels = cells.size(3);
  const auto below = missing_to(height, window), right = missing_to(width, window);
  Windows windows{cells, height + below, width + right};
  if (below > 0 || right > 0) windows.cells = torch::constant_pad_nd(cells, {0, 0, 0, right, 0, below});
  windows.cells = windows.cells.view({-1, windows.height / window, window, windows.width / window, window, channels})
                      .transpose(2, 3)
                      .reshape({-1, window, window, channels});
  return windows;
}

Tensor join_windows(const Windows& windows, std::int64_t height, std::int64_t width) {
  const auto window = windows.cells.size(1), channels = windows.cells.size(3);
  const Tensor padded =
      windows.cells.view({-1, windows.height / window, windows.width / window, window, window, channels})
          .transpose(2, 3)
          .reshape({-1, windows.height, windows.width, channels});
  return padded.narrow(1, 0, height).narrow(2, 0, width);
}

OnnxValue emit_cut_windows(OnnxBuilder& graph, const OnnxValue& cells, std::int64_t window) {
  const std::int64_t height = cells.size(1) + missing_to(cells.size(1), window),
                     width = cells.size(2) + missing_to(cells.size(2), window), channels = cells.size(3);
  OnnxValue padded = cells;
  if (height != cells.size(1) || width != cells.size(2))
    padded =
        graph.node("Pad", {cells, graph.integers({0, 0, 0, 0, 0, height - cells.size(1), width - cells.size(2), 0})},
                   {{cells.size(0), height, width, channels}, cells.type});
  const OnnxValue apart = onnx::reshape(graph, padded, {0, height / window, window, width / window, window, channels});
  return onnx::reshape(graph, onnx::transpose(graph, apart, {0, 1, 3, 2, 4, 5}), {-1, window, window, channels});
}

OnnxValue emit_joined_windows(OnnxBuilder& graph, const OnnxValue& windows, std::int64_t height, std::int64_t width) {
  const std::int64_t window = windows.size(1), channels = windows.size(3), below = missing_to(height, window),
                     right = missing_to(width, window), all_height = height + below, all_width = width + right;
  const OnnxValue apart =
      onnx::reshape(graph, windows, {-1, all_height / window, all_width / window, window, window, channels});
  OnnxValue joined =
      onnx::reshape(graph, onnx::transpose(graph, apart, {0, 1, 3, 2, 4, 5}), {0, all_height, all_width, channels});
  if (below > 0) joined = onnx::split(graph, joined, {height, below}, 1).front();
  return right > 0 ? onnx::split(graph, joined, {width, right}, 2).front() : joined;
}

VitResidualImpl::VitResidualImpl(std::int64_t dim) {
  const std::int64_t half = dim / 2;
  conv1_ = register_module("conv1", Convolution(ConvolutionOptions{.in = dim, .out = half}));
  norm1_ = register_module("norm1", LayerNorm(half, kCellNormEps));
  conv2_ =
      register_module("conv2", Convolution(ConvolutionOptions{.in = half, .out = half, .kernel = 3, .padding = 1}));
  norm2_ = register_module("norm2", LayerNorm(half, kCellNormEps));
  conv3_ = register_module("conv3", Convolution(ConvolutionOptions{.in = half, .out = dim}));
  norm3_ = register_module("norm3", LayerNorm(dim, kCellNormEps));
}

Tensor VitResidualImpl::forward(const Tensor& cells) {
  const auto unit = [](Convolution& conv, LayerNorm& norm, const Tensor& x) { return norm(cells_of(conv(map_of(x)))); };
  const Tensor narrow = activate(unit(conv1_, norm1_, cells), Activation::kGelu);
  const Tensor mixed = activate(unit(conv2_, norm2_, narrow), Activation::kGelu);
  return residual(cells, unit(conv3_, norm3_, mixed));
}

OnnxValue VitResidualImpl::emit(OnnxBuilder& graph, const OnnxValue& cells) const {
  const auto unit = [&](const char* number, const Convolution& conv, const LayerNorm& norm, const OnnxValue& x) {
    const OnnxValue y = emit_cells_of(graph, graph.emit(std::string("conv") + number, conv, emit_map_of(graph, x)));
    return graph.emit(std::string("norm") + number, norm, y);
  };
  const OnnxValue narrow = onnx::gelu(graph, unit("1", conv1_, norm1_, cells));
  const OnnxValue mixed = onnx::gelu(graph, unit("2", conv2_, norm2_, narrow));
  return emit_residual(graph, cells, unit("3", conv3_, norm3_, mixed));
}

void VitResidualImpl::init_weights(const WeightDraws& draws) {
  init_by_fan_out(conv1_, "conv1", draws);
  init_by_fan_out(conv2_, "conv2", draws);
  init_by_fan_out(conv3_, "conv3", draws);
  WeightDraws::constant(norm3_->weight, 0);
}

VitBlockImpl::VitBlockImpl(const VitBlockOptions& options) : options_(options) {
  const VitBlockOptions& o = options_;
  norm1_ = register_module("norm1", LayerNorm(o.dim, kCellNormEps));
  attention_ = register_module("attn", GridAttention(attention_options(o)));
  norm2_ = register_module("norm2", LayerNorm(o.dim, kCellNormEps));
  fc1_ = Linear(o.dim, o.hidden);
  fc2_ = Linear(o.hidden, o.dim);
  register_at(*this, "mlp.fc1", fc1_.ptr());
  register_at(*this, "mlp.fc2", fc2_.ptr());
  if (o.residual) residual_ = register_module("residual", VitResidual(o.dim));
}

Tensor VitBlockImpl::attend(const Tensor& cells) {
  const Tensor normed = norm1_(cells);
  if (options_.window == 0) return attention_(normed);
  Windows windows = cut_windows(normed, options_.window);
  windows.cells = attention_(windows.cells);
  return join_windows(windows, cells.size(1), cells.size(2));
}

Tensor VitBlockImpl::mlp(const Tensor& cells) {
  return fc2_(activate(within_float16(fc1_(norm2_(cells))), Activation::kGelu));
}

Tensor VitBlockImpl::add_branch(const Tensor& cells, const Tensor& branch, std::int64_t number) const {
  if (path_count() == 0 || !is_training()) return residual(cells, branch);
  RTDETR_CHECK(factors_.defined() && factors_.size(1) == cells.size(0),
               "a pass in training with drop_path needs its draws");
  return residual(cells, branch * factors_[number].to(branch.scalar_type()).view({-1, 1, 1, 1}));
}

Tensor VitBlockImpl::forward(const Tensor& cells) {
  const Tensor seen = add_branch(cells, attend(cells), 0);
  const Tensor x = add_branch(seen, mlp(seen), 1);
  return residual_ ? residual_(x) : x;
}

OnnxValue VitBlockImpl::emit_attend(OnnxBuilder& graph, const OnnxValue& cells) const {
  const OnnxValue normed = graph.emit("norm1", norm1_, cells);
  if (options_.window == 0) return graph.emit("attn", attention_, normed);
  const OnnxValue windows = graph.emit("attn", attention_, emit_cut_windows(graph, normed, options_.window));
  return emit_joined_windows(graph, windows, cells.size(1), cells.size(2));
}

OnnxValue VitBlockImpl::emit_mlp(OnnxBuilder& graph, const OnnxValue& cells) const {
  const OnnxValue hidden = graph.emit("mlp.fc1", fc1_, graph.emit("norm2", norm2_, cells));
  return graph.emit("mlp.fc2", fc2_, onnx::gelu(graph, emit_within_float16(graph, hidden)));
}

OnnxValue VitBlockImpl::emit(OnnxBuilder& graph, const OnnxValue& cells) const {
  const OnnxValue seen = emit_residual(graph, cells, emit_attend(graph, cells));
  const OnnxValue x = emit_residual(graph, seen, emit_mlp(graph, seen));
  return residual_ ? graph.emit("residual", residual_, x) : x;
}

void VitBlockImpl::init_weights(const WeightDraws& draws) {
  init_product(fc1_, "mlp.fc1", draws);
  init_product(fc2_, "mlp.fc2", draws);
}

}  // namespace rtdetr
