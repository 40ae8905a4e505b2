#include "models/layers/grid_attention.h"

#include <torch/types.h>

#include "core/base/check.h"
#include "models/layers/resized_table.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

GridAttentionImpl::GridAttentionImpl(const GridAttentionOptions& options)
    : heads_(options.heads), size_(options.dim / options.heads) {
  RTDETR_CHECK(size_ * heads_ == options.dim, "attention width " + std::to_string(options.dim) + " is no multiple of " +
                                                  std::to_string(heads_) + " heads");
  if (options.height > 0) {
    rel_pos_h = register_parameter("rel_pos_h", new_weight({2 * options.height - 1, size_}));
    rel_pos_w = register_parameter("rel_pos_w", new_weight({2 * options.width - 1, size_}));
  }
  qkv_ = register_module("qkv", Linear(options.dim, 3 * options.dim));
  proj_ = register_module("proj", Linear(options.dim, options.dim));
}

/// The vector of each two cells of a line. [side, side, D/M]
Tensor GridAttentionImpl::distances(const Tensor& table, DerivedTable& known, std::int64_t side) {
  return known.get(table, {side, side}, [&] {
    const auto length = table.size(0);
    const torch::TensorOptions exact = table.options().dtype(torch::kFloat64).requires_grad(false);
    const Tensor places =
        places_.get({side, length}, exact, [&] { return relative_places(side, length).to(table.device()); });
    return places.matmul(table.to(torch::kFloat64)).view({side, side, size_}).to(table.scalar_type());
  });
}

/// @param query  [B, M, N, D/M]
/// @return       [B, M, N, N]
Tensor GridAttentionImpl::relative_logits(const Tensor& query, std::int64_t height, std::int64_t width) {
  const Tensor grid = query.unflatten(2, {height, width});  // [B, M, H, W, D/M]
  const Tensor rows = torch::einsum("bmyxc,ykc->bmyxk", {grid, distances(rel_pos_h, rows_, height)});
  const Tensor columns = torch::einsum("bmyxc,xkc->bmyxk", {grid, distances(rel_pos_w, columns_, width)});
  const Tensor logits = rows.unsqueeze(-1) + columns.unsqueeze(-2);  // [B, M, H, W, H, W]
  return logits.flatten(4).flatten(2, 3).to(query.scalar_type());
}

Tensor GridAttentionImpl::forward(const Tensor& cells) {
  const auto batch = cells.size(0), height = cells.size(1), width = cells.size(2);
  const auto parts = qkv_(cells).view({batch, height * width, 3, heads_, size_}).permute({2, 0, 3, 1, 4}).unbind(0);
  std::optional<Tensor> bias;
  if (rel_pos_h.defined()) bias = relative_logits(parts[0], height, width);
  const Tensor mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2], bias);  // [B, M, N, D/M]
  return proj_(mixed.transpose(1, 2).reshape(cells.sizes()));
}

namespace {

/// As distances, for a product with a query on its left. [side, D/M, side] float64 on the CPU
Tensor distances_of(const Tensor& table, std::int64_t side) {
  const Tensor exact = table.detach().to(torch::kCPU, torch::kFloat64);
  const Tensor all = relative_places(side, exact.size(0)).matmul(exact);
  return all.view({side, side, exact.size(1)}).transpose(1, 2);
}

}  // namespace

/// @param query  [B, M, N, D/M]
/// @return       [B, M, N, N]
OnnxValue GridAttentionImpl::emit_relative_logits(OnnxBuilder& graph, const OnnxValue& query, std::int64_t height,
                                                  std::int64_t width) const {
  const OnnxValue grid = onnx::reshape(graph, query, {0, 0, height, width, size_});
  const OnnxValue across = onnx::transpose(graph, grid, {0, 1, 3, 2, 4});  // [B, M, W, H, D/M]
  const OnnxValue rows = onnx::matmul(graph, grid, graph.constant("rel_pos_h", distances_of(rel_pos_h, height)));
  const OnnxValue by_column = onnx::matmul(graph, across, graph.constant("rel_pos_w", distances_of(rel_pos_w, width)));
  const OnnxValue columns = onnx::transpose(graph, by_column, {0, 1, 3, 2, 4});
  const OnnxValue all =
      onnx::add(graph, onnx::unsqueeze(graph, rows, -1), onnx::unsqueeze(graph, columns, -2));  // [B, M, H, W, H, W]
  return onnx::reshape(graph, all, {0, 0, height * width, height * width});
}

/// qkv, with attention's scale in the keys: relative positions take the query as it is.
OnnxValue GridAttentionImpl::emit_scaled_products(OnnxBuilder& graph, const OnnxValue& cells) const {
  const OnnxBuilder::Scope scope = graph.within("qkv");
  const std::int64_t dim = heads_ * size_;
  const double scale = 1 / std::sqrt(static_cast<double>(size_));
  const auto scaled = [&](const Tensor& rows) {
    Tensor exact = rows.detach().to(torch::kCPU, torch::kFloat64, /*non_blocking=*/false, /*copy=*/true);
    exact.narrow(0, dim, dim).mul_(scale);
    return exact;
  };
  return onnx::linear(graph, cells, scaled(qkv_->weight), scaled(qkv_->bias));
}

OnnxValue GridAttentionImpl::emit(OnnxBuilder& graph, const OnnxValue& cells) const {
  const std::int64_t height = cells.size(1), width = cells.size(2), dim = heads_ * size_;
  const auto parts = onnx::split(graph, emit_scaled_products(graph, cells), {dim, dim, dim}, -1);
  const auto of_heads = [&](const OnnxValue& part, const std::vector<std::int64_t>& order) {
    return onnx::transpose(graph, onnx::reshape(graph, part, {0, height * width, heads_, size_}), order);
  };
  const OnnxValue q = of_heads(parts[0], {0, 2, 1, 3}), k = of_heads(parts[1], {0, 2, 3, 1});
  const OnnxValue v = emit_within_float16(graph, of_heads(parts[2], {0, 2, 1, 3}));
  OnnxValue logits = onnx::matmul(graph, q, k);  // [B, M, N, N]
  if (rel_pos_h.defined()) logits = onnx::add(graph, logits, emit_relative_logits(graph, q, height, width));
  const OnnxValue mixed = onnx::transpose(graph, onnx::matmul(graph, onnx::softmax(graph, logits), v), {0, 2, 1, 3});
  return graph.emit("proj", proj_, onnx::reshape(graph, mixed, {0, height, width, dim}));
}

void GridAttentionImpl::init_weights(const WeightDraws& draws) {
  init_product(qkv_, "qkv", draws);
  init_product(proj_, "proj", draws);
  for (const Tensor& table : {rel_pos_h, rel_pos_w})
    if (table.defined()) WeightDraws::constant(table, 0);
}

void init_narrow(const Tensor& tensor, const std::string& name, const WeightDraws& draws) {
  constexpr double kDeviation = 0.02;
  const torch::NoGradGuard no_grad;
  draws.normal(tensor, name);
  Tensor(tensor).mul_(kDeviation);
}

void init_product(const Linear& linear, const std::string& name, const WeightDraws& draws) {
  init_narrow(linear->weight, name + ".weight", draws);
  WeightDraws::constant(linear->bias, 0);
}

}  // namespace rtdetr
