#include "models/heads/detr/box_refinement.h"

#include <torch/torch.h>

#include "core/tensor/box_ops.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

std::string indexed(const std::string& name, std::size_t k) { return name + "." + std::to_string(k); }

void remove_children_from(torch::nn::Module& module, const std::string& list, std::size_t k) {
  const auto container = module.named_children()[list];
  for (auto count = container->children().size(); count > k; --count)
    container->unregister_module(std::to_string(count - 1));
}

void start_at_zero(const Linear& linear) {
  WeightDraws::constant(linear->weight, 0);
  WeightDraws::constant(linear->bias, 0);
}

class LogitRefinement::Pass : public BoxPass {
 public:
  Pass(const LogitRefinement& heads, const Tensor& reference_logits)
      : heads_(heads), reference_(reference_logits.sigmoid()) {}

  Tensor reference() const override { return reference_; }

  std::optional<Prediction> advance(std::int64_t k, const Tensor& content, bool wanted) override {
    Mlp bbox_head = heads_.bbox_heads_[k];  // handles
    Linear score_head = heads_.score_heads_[k];
    const Tensor step = bbox_head(content).to(reference_.scalar_type());
    // Boxes handed out reach the gradient of the layer before too; those refined further start from a constant.
    const Tensor start = inverse_sigmoid(refined_.defined() ? refined_ : reference_);
    const Tensor boxes = (step + start).sigmoid();
    std::optional<Prediction> prediction;
    if (wanted) prediction = {score_head(content), boxes};
    refined_ = refined_.defined() && start.requires_grad() ? (step + start.detach()).sigmoid() : boxes;
    reference_ = refined_.detach();
    return prediction;
  }

 private:
  const LogitRefinement& heads_;
  Tensor reference_;  ///< [B, N, 4], never with a gradient
  Tensor refined_;    ///< the layer before's boxes, with a gradient; undefined before the first
};

LogitRefinement::LogitRefinement(torch::nn::Module& head, const LogitRefinementOptions& o) {
  for (std::int64_t k = 0; k < o.layers; ++k) {
    score_heads_.emplace_back(o.dim, o.classes);
    bbox_heads_.emplace_back(o.dim, o.dim, 4, kBoxHeadLayers, o.head_activation);
    register_at(head, indexed("dec_score_head", k), score_heads_.back().ptr());
    register_at(head, indexed("dec_bbox_head", k), bbox_heads_.back().ptr());
  }
}

std::unique_ptr<BoxPass> LogitRefinement::start(const Tensor& reference_logits) const {
  return std::make_unique<Pass>(*this, reference_logits);
}

namespace {

/// As inverse_sigmoid (core/tensor/box_ops.h), of a value that is one: it lies in [0, 1].
OnnxValue emit_inverse_sigmoid(OnnxBuilder& graph, const OnnxValue& x) {
  const OnnxValue one = graph.precise_constant("one", torch::scalar_tensor(1, torch::kDouble));
  const OnnxValue least = graph.precise_constant("least", torch::scalar_tensor(kLeastShare, torch::kDouble));
  const OnnxValue rest = onnx::max(graph, onnx::sub(graph, one, x), least);
  return onnx::unary(graph, "Log", onnx::div(graph, onnx::max(graph, x, least), rest));
}

}  // namespace

OnnxValue emit_moved_boxes(OnnxBuilder& graph, const OnnxValue& moved, const OnnxValue& reference) {
  if (graph.native()) return graph.node("MovedBoxes", {moved, reference}, {reference.shape, reference.type});
  const OnnxValue step = onnx::cast(graph, moved, graph.precise_type()), start = emit_inverse_sigmoid(graph, reference);
  return onnx::unary(graph, "Sigmoid", onnx::add(graph, step, start));
}

class LogitRefinement::OnnxPass : public OnnxBoxPass {
 public:
  OnnxPass(const LogitRefinement& heads, const OnnxValue& reference) : OnnxBoxPass(reference), heads_(heads) {}

  void advance(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) override {
    const OnnxValue moved = graph.emit(indexed("dec_bbox_head", k), heads_.bbox_heads_.at(k), content);
    const OnnxBuilder::Scope scope = graph.within(indexed("boxes", k));
    reference_ = emit_moved_boxes(graph, moved, reference_);
  }
  OnnxValue scores(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) const override {
    return graph.emit(indexed("dec_score_head", k), heads_.score_heads_.at(k), content);
  }

 private:
  const LogitRefinement& heads_;
};

std::unique_ptr<OnnxBoxPass> LogitRefinement::start_emit(OnnxBuilder& /*graph*/, const OnnxValue& reference) const {
  return std::make_unique<OnnxPass>(*this, reference);
}

void LogitRefinement::init_weights(double prior) {
  for (std::size_t k = 0; k < score_heads_.size(); ++k) {
    WeightDraws::constant(score_heads_[k]->bias, prior);
    start_at_zero(bbox_heads_[k]->layers.back());
  }
}

void LogitRefinement::keep_layers(torch::nn::Module& head, std::size_t count) {
  remove_children_from(head, "dec_score_head", count);
  remove_children_from(head, "dec_bbox_head", count);
  score_heads_.resize(count, nullptr);
  bbox_heads_.resize(count, nullptr);
}

}  // namespace rtdetr
