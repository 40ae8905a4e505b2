#include "models/blocks/vit.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/error.h"
#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/layers/resized_table.h"
#include "models/onnx/onnx_map_size.h"

namespace rtdetr {
namespace {

/// Convolution with a bias. Keys `weight`, `bias`.
class PatchConvolutionImpl : public ConvolutionImpl {
 public:
  explicit PatchConvolutionImpl(const ConvolutionOptions& options) : ConvolutionImpl(options) {
    bias = register_parameter("bias", new_weight({options.out}));
  }
  void init_weights(const WeightDraws& draws) override {
    ConvolutionImpl::init_weights(draws);
    draws.bias_uniform(bias, weight, "bias");
  }
};

bool names_block(const std::vector<std::int64_t>& blocks, std::int64_t number) {
  return std::ranges::find(blocks, number) != blocks.end();
}

VitBlockOptions block_options(const VitOptions& o, std::int64_t number) {
  VitBlockOptions block{.dim = o.dim, .heads = o.heads};
  block.hidden = static_cast<std::int64_t>(static_cast<double>(o.dim) * o.mlp_ratio);
  block.window = names_block(o.global, number) ? 0 : o.window;
  block.relative_positions = o.relative_positions;
  block.grid_height = block.grid_width = o.grid;
  block.residual = names_block(o.residual, number);
  block.drop_path = o.depth > 1 ? o.drop_path * static_cast<double>(number) / static_cast<double>(o.depth - 1) : 0;
  return block;
}

}  // namespace

Tensor PositionGrid::cells(const Tensor& table) const {
  return table.narrow(1, class_row ? 1 : 0, side * side).view({side, side, table.size(2)});
}

Tensor PositionGrid::at_size(const Tensor& table, std::int64_t height, std::int64_t width) const {
  if (height == side && width == side) return cells(table).unsqueeze(0);
  return resized(table, cubic_resize(side, height).to(table.device()), cubic_resize(side, width).to(table.device()));
}

Tensor PositionGrid::resized(const Tensor& table, const Tensor& to_height, const Tensor& to_width) const {
  const Tensor wide = to_width.matmul(cells(table).to(torch::kFloat64));  // [side, W, D]
  const Tensor all = to_height.matmul(wide.flatten(1));                   // [H, W · D]
  return all.view({1, to_height.size(0), to_width.size(0), table.size(2)}).to(table.scalar_type());
}

VitImpl::VitImpl(const VitOptions& options) : options_(options) {
  const VitOptions& o = options_;
  if (o.absolute_positions) pos_embed = register_parameter("pos_embed", new_weight({1, o.positions.rows(), o.dim}));
  const ConvolutionOptions patches{.in = o.in, .out = o.dim, .kernel = o.patch, .stride = o.patch};
  patches_ = Convolution(std::shared_ptr<ConvolutionImpl>(std::make_shared<PatchConvolutionImpl>(patches)));
  register_at(*this, "patch_embed.proj", patches_.ptr());
  for (std::int64_t k = 0; k < o.depth; ++k) {
    blocks_.emplace_back(block_options(o, k));
    register_at(*this, "blocks." + std::to_string(k), blocks_.back().ptr());
  }
}

Tensor VitImpl::positions_for(std::int64_t height, std::int64_t width) {
  const PositionGrid& grid = options_.positions;
  if (height == grid.side && width == grid.side) return grid.at_size(pos_embed, height, width);
  const torch::TensorOptions exact = pos_embed.options().dtype(torch::kFloat64).requires_grad(false);
  const auto over = [&](std::int64_t size) {
    return resizes_.get({grid.side, size}, exact, [&] { return cubic_resize(grid.side, size).to(pos_embed.device()); });
  };
  return positions_.get(pos_embed, {height, width}, [&] { return grid.resized(pos_embed, over(height), over(width)); });
}

Tensor VitImpl::forward(const Tensor& x) {
  Tensor cells = cells_of(patches_(x));
  if (pos_embed.defined()) cells = cells + positions_for(cells.size(1), cells.size(2));
  for (VitBlock& block : blocks_) cells = block(cells);
  return map_of(cells);
}

OnnxValue VitImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  if (graph.native()) throw ModelError("the CPU engine has no attention in windows");
  if (onnx::is_free(x)) throw ModelError("has no ONNX form of free height and width; export without dynamic=true");
  OnnxValue cells = emit_cells_of(graph, graph.emit("patch_embed.proj", patches_, x));
  if (pos_embed.defined()) {
    const Tensor exact = pos_embed.detach().to(torch::kCPU, torch::kFloat64);
    const Tensor table = options_.positions.at_size(exact, cells.size(1), cells.size(2));
    cells = onnx::add(graph, cells, graph.constant("pos_embed", table));
  }
  for (std::size_t k = 0; k < blocks_.size(); ++k) cells = graph.emit("blocks." + std::to_string(k), blocks_[k], cells);
  return emit_map_of(graph, cells);
}

void VitImpl::init_weights(const WeightDraws& draws) {
  if (pos_embed.defined()) init_narrow(pos_embed, "pos_embed", draws);
}

namespace {

/// Blocks that a list names are there.
void check_blocks(const RowContext& row, const std::string& name) {
  const std::int64_t depth = row.args.integer("depth");
  for (const std::int64_t block : row.args.integers(name))
    if (block < 0 || block >= depth)
      refuse(name + ": expected numbers of blocks from 0 to " + std::to_string(depth - 1) + ", found " +
             std::to_string(block));
}

FeatureMap vit_output(const RowContext& row) {
  const std::int64_t dim = row.args.integer("dim"), heads = row.args.integer("heads");
  if (dim % heads)
    refuse("expected a dim that is a multiple of the " + std::to_string(heads) + " heads, found " +
           std::to_string(dim));
  check_blocks(row, "global");
  check_blocks(row, "residual");
  return {dim, row.input().stride * row.args.integer("patch")};
}

VitOptions vit_options(const RowContext& row) {
  VitOptions o;
  o.in = row.input().channels;
  o.dim = row.args.integer("dim");
  o.depth = row.args.integer("depth");
  o.heads = row.args.integer("heads");
  o.patch = row.args.integer("patch");
  o.mlp_ratio = row.args.number("mlp_ratio");
  o.window = row.args.integer("window");
  o.global = row.args.integers("global");
  o.residual = row.args.integers("residual");
  o.grid = row.args.integer("grid");
  o.relative_positions = row.args.flag("rel_pos");
  o.absolute_positions = row.args.flag("abs_pos");
  o.positions.side = row.args.integer("pretrained_grid");
  o.drop_path = row.args.number("drop_path");
  return o;
}

const ArgumentValue kNoBlocks = std::vector<std::int64_t>{};
constexpr double kMostSide = 1024;

}  // namespace

void register_vit_blocks(Registry& registry) {
  registry.add(
      {.name = "ViT",
       .summary = "plain vision transformer with attention in windows (ViTDet), on the picture",
       .arguments =
           {integer_argument("dim", "width").range(1, kMaxChannels), integer_argument("depth", "blocks").range(1, 256),
            integer_argument("heads", "attention heads").range(1, 256),
            number_argument("mlp_ratio", "width of the feed-forward part, of dim")
                .fallback(4.0)
                .range(0.01, 64)
                .named_only(),
            integer_argument("patch", "side of a patch, which is the stride").fallback(16).range(1, 128).named_only(),
            integer_argument("window", "side of the windows in cells; 0 = none")
                .fallback(14)
                .range(0, kMostSide)
                .named_only(),
            integers_argument("global", "blocks whose attention sees the whole map").fallback(kNoBlocks).named_only(),
            integers_argument("residual", "blocks with a convolutional one behind").fallback(kNoBlocks).named_only(),
            integer_argument("grid", "side of the map that relative positions of global blocks are learnt on")
                .fallback(64)
                .range(1, kMostSide)
                .named_only(),
            integer_argument("pretrained_grid", "side of the table of absolute positions")
                .fallback(14)
                .range(1, kMostSide)
                .named_only(),
            flag_argument("rel_pos", "relative positions").fallback(true).named_only(),
            flag_argument("abs_pos", "absolute positions").fallback(true).named_only(),
            number_argument("drop_path", "rate at which the last block's branches are left out in training")
                .fallback(0.0)
                .range(0, 0.99)
                .named_only()},
       .output = vit_output,
       .build = [](const RowContext& row) -> BlockPtr { return Vit(vit_options(row)).ptr(); }});
}

}  // namespace rtdetr
