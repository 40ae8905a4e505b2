#include "models/blocks/presnet.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

namespace {

/// One residual block: branches in sequence, plus the shortcut.
class ResidualBlock : public Block {
 public:
  /// @param in      input channels
  /// @param stride  of this block
  /// @param first   of its stage: has a projection in the shortcut
  ResidualBlock(const PResNetStageOptions& o, std::int64_t in, std::int64_t stride, bool first)
      : activation_(o.activation), freeze_(o.freeze), torchvision_(o.torchvision) {
    const std::int64_t out = o.bottleneck ? 4 * o.width : o.width;
    if (first) add_shortcut(o, in, out, stride);
    if (o.bottleneck) {
      const bool early = o.variant == 'a';
      add_branch("branch2a", unit(o, in, o.width, 1, early ? stride : 1, o.activation));
      add_branch("branch2b", unit(o, o.width, o.width, 3, early ? 1 : stride, o.activation));
      add_branch("branch2c", unit(o, o.width, out, 1, 1, Activation::kNone));
    } else {
      add_branch("branch2a", unit(o, in, out, 3, stride, o.activation));
      add_branch("branch2b", unit(o, out, out, 3, 1, Activation::kNone));
    }
  }

  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (ConvNormAct& branch : branches_) y = branch->forward(y);
    return activate(y.add_(shortcut(x)), activation_);
  }

  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override {
    OnnxValue y = x;
    for (std::size_t k = 0; k < branches_.size(); ++k) {
      y = graph.emit(std::string("branch2") + "abc"[k], branches_[k], y);
    }
    return emit_activation(graph, onnx::add(graph, y, emit_shortcut(graph, x)), activation_);
  }

  /// With torchvision's names its units' parts lie side by side, in `home`, and the block itself is nowhere.
  void register_units(torch::nn::Module& home, const std::string& path) const {
    for (const ConvNormAct& branch : branches_) register_at(home, path + ".", branch.ptr());
    if (short_) register_at(home, path + ".downsample", short_.ptr());
  }

 private:
  ConvNormActOptions unit(const PResNetStageOptions& o, std::int64_t in, std::int64_t out, std::int64_t kernel,
                          std::int64_t stride, Activation activation) const {
    ConvNormActOptions options = conv_unit(in, out, kernel, stride, activation, o.norm);
    options.norm_name = "norm";
    options.freeze = freeze_;
    return options;
  }

  void add_branch(const char* name, ConvNormActOptions options) {
    const std::string number = std::to_string(branches_.size() + 1);
    if (torchvision_) options.conv_name = "conv" + number, options.norm_name = "bn" + number;
    branches_.emplace_back(options);
    if (!torchvision_) register_module(name, branches_.back());
  }

  void add_shortcut(const PResNetStageOptions& o, std::int64_t in, std::int64_t out, std::int64_t stride) {
    pooled_ = o.variant == 'd' && stride == 2;
    ConvNormActOptions options = unit(o, in, out, 1, pooled_ ? 1 : stride, Activation::kNone);
    if (torchvision_) options.conv_name = "0", options.norm_name = "1";
    short_ = ConvNormAct(options);
    if (!torchvision_) register_at(*this, pooled_ ? "short.conv" : "short", short_.ptr());
  }

  Tensor shortcut(const Tensor& x) {
    if (!short_) return x;
    return short_->forward(pooled_ ? torch::avg_pool2d(x, 2, 2, 0, /*ceil_mode=*/true) : x);
  }

  OnnxValue emit_shortcut(OnnxBuilder& graph, const OnnxValue& x) const {
    if (!short_) return x;
    const OnnxBuilder::Scope scope = graph.within("short");
    return short_->emit(graph, pooled_ ? onnx::halve(graph, x) : x);
  }

  Activation activation_;
  bool freeze_, torchvision_, pooled_ = false;
  std::vector<ConvNormAct> branches_;
  ConvNormAct short_{nullptr};
};

}  // namespace

PResNetStageImpl::PResNetStageImpl(const PResNetStageOptions& o) {
  const std::int64_t out = o.bottleneck ? 4 * o.width : o.width;
  for (std::int64_t k = 0; k < o.blocks; ++k) {
    auto block = std::make_shared<ResidualBlock>(o, k == 0 ? o.in : out, k == 0 ? o.stride : 1, k == 0);
    if (o.torchvision)
      block->register_units(*this, std::to_string(k));
    else
      register_at(*this, "blocks." + std::to_string(k), block);
    blocks_.push_back(std::move(block));
  }
}

Tensor PResNetStageImpl::forward(const Tensor& x) {
  Tensor y = x;
  for (const BlockPtr& block : blocks_) y = block->forward(y);
  return y;
}

OnnxValue PResNetStageImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  OnnxValue y = x;
  for (std::size_t k = 0; k < blocks_.size(); ++k) y = graph.emit("blocks." + std::to_string(k), blocks_[k], y);
  return y;
}

void register_presnet_blocks(Registry& registry) {
  registry.add(
      {.name = "PResNetStage",
       .summary = "stage of ResNet-vd with the official keys; repeats = its blocks",
       .arguments = {text_argument("block", "kind of block", {"basic", "bottleneck"}),
                     integer_argument("width", "channels; bottlenecks put out 4 times as many").range(1, 16384),
                     integer_argument("s", "stride").fallback(1).range(1, 32),
                     activation_argument("act", "activation").fallback("relu"),
                     text_argument("variant", "of ResNet", {"a", "b", "c", "d"}).fallback("d").named_only(),
                     norm_argument(), freeze_argument(),
                     text_argument("keys", "torchvision: conv1, bn1, …, downsample", {"official", "torchvision"})
                         .fallback("official")
                         .named_only()},
       .repeats = Repeats::kInner,
       .output = [](const RowContext& row) -> FeatureMap {
         const std::int64_t expansion = row.args.text("block") == "bottleneck" ? 4 : 1;
         return {expansion * row.args.integer("width"), row.input().stride * row.args.integer("s")};
       },
       .build = [](const RowContext& row) -> BlockPtr {
         PResNetStageOptions options;
         options.in = row.input().channels;
         options.width = row.args.integer("width");
         options.stride = row.args.integer("s");
         options.blocks = row.repeats;
         options.bottleneck = row.args.text("block") == "bottleneck";
         options.variant = row.args.text("variant").front();
         options.activation = activation_from_name(row.args.text("act"));
         options.norm = chosen_norm_options(row);
         options.freeze = row.args.flag("freeze");
         options.torchvision = row.args.text("keys") == "torchvision";
         return PResNetStage(options).ptr();
       }});
}

}  // namespace rtdetr
