#include "models/blocks/resnet.h"

#include <torch/types.h>

#include "models/graph/row_arguments.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

namespace {

class ResNetBlock : public Block {
 public:
  ResNetBlock(const ResNetLayerOptions& o, std::int64_t in, std::int64_t stride) {
    const std::int64_t out = 4 * o.mid;
    cv1_ = register_module("cv1", ConvNormAct(conv_unit(in, o.mid, 1, 1, o.activation, o.norm)));
    cv2_ = register_module("cv2", ConvNormAct(conv_unit(o.mid, o.mid, 3, stride, o.activation, o.norm)));
    cv3_ = register_module("cv3", ConvNormAct(conv_unit(o.mid, out, 1, 1, Activation::kNone, o.norm)));
    if (stride == 1 && in == out) return;
    shortcut_ = ConvNormAct(conv_unit(in, out, 1, stride, Activation::kNone, o.norm));
    register_at(*this, "shortcut.0", shortcut_.ptr());
  }

  Tensor forward(const Tensor& x) override {
    const Tensor y = cv3_->forward(cv2_->forward(cv1_->forward(x)));
    return torch::relu_(y.add_(shortcut_ ? shortcut_->forward(x) : x));
  }

  OnnxValue emit(OnnxBuilder& graph, const OnnxValue& x) const override {
    const OnnxValue y = graph.emit("cv3", cv3_, graph.emit("cv2", cv2_, graph.emit("cv1", cv1_, x)));
    const OnnxValue passed = shortcut_ ? graph.emit("shortcut", shortcut_, x) : x;
    return emit_activation(graph, onnx::add(graph, y, passed), Activation::kRelu);
  }

 private:
  ConvNormAct cv1_{nullptr}, cv2_{nullptr}, cv3_{nullptr}, shortcut_{nullptr};
};

}  // namespace

ResNetLayerImpl::ResNetLayerImpl(const ResNetLayerOptions& o) : pool_(o.is_first) {
  const auto add = [&](BlockPtr layer) {
    register_at(*this, "layer." + std::to_string(layers_.size()), layer);
    layers_.push_back(std::move(layer));
  };
  if (o.is_first) {
    add(ConvNormAct(conv_unit(o.in, o.mid, 7, 2, o.activation, o.norm)).ptr());
    return;
  }
  for (std::int64_t k = 0; k < o.blocks; ++k) {
    add(std::make_shared<ResNetBlock>(o, k == 0 ? o.in : 4 * o.mid, k == 0 ? o.stride : 1));
  }
}

Tensor ResNetLayerImpl::forward(const Tensor& x) {
  Tensor y = x;
  for (const BlockPtr& layer : layers_) y = layer->forward(y);
  return pool_ ? torch::max_pool2d(y, 3, 2, 1) : y;
}

OnnxValue ResNetLayerImpl::emit(OnnxBuilder& graph, const OnnxValue& x) const {
  OnnxValue y = x;
  for (std::size_t k = 0; k < layers_.size(); ++k) y = graph.emit("layer." + std::to_string(k), layers_[k], y);
  return pool_ ? onnx::max_pool(graph, y, {.kernel = 3, .stride = 2, .padding = {1, 1, 1, 1}}) : y;
}

void register_resnet_blocks(Registry& registry) {
  registry.add(
      {.name = "ResNetLayer",
       .summary = "stem or stage of a ResNet with Ultralytics' keys",
       .arguments = {integer_argument("in", "input channels, as `from` gives them").range(1, kMaxChannels),
                     integer_argument("mid", "inner channels; a stage puts out 4 times as many").range(1, 16384),
                     integer_argument("s", "stride").fallback(1).range(1, 32),
                     flag_argument("is_first", "the stem, of stride 4").fallback(false),
                     integer_argument("n", "blocks").fallback(1).range(1, 100)},
       .output = [](const RowContext& row) -> FeatureMap {
         if (row.args.integer("in") != row.input().channels) {
           refuse("argument 'in': expected the " + std::to_string(row.input().channels) +
                  " channels of its input, found " + std::to_string(row.args.integer("in")));
         }
         const std::int64_t mid = row.args.integer("mid");
         if (row.args.flag("is_first")) return {mid, row.input().stride * 4};
         return {4 * mid, row.input().stride * row.args.integer("s")};
       },
       .build = [](const RowContext& row) -> BlockPtr {
         ResNetLayerOptions options;
         options.in = row.input().channels;
         options.mid = row.args.integer("mid");
         options.stride = row.args.integer("s");
         options.is_first = row.args.flag("is_first");
         options.blocks = row.args.integer("n");
         options.activation = activation_from_name(row.activation);
         options.norm = norm_options(row);
         return ResNetLayer(options).ptr();
       }});
}

}  // namespace rtdetr
