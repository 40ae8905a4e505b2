#include "models/heads/detr/box_refinement.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/tensor/box_ops.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

std::string indexed(const std::string& name, std::size_t k) { return name + "." + std::to_string(k); }

std::shared_ptr<torch::nn::Module> module_at(const torch::nn::Module& module, const std::string& path) {
  const std::size_t dot = path.find('.');
  const auto child = module.named_children()[path.substr(0, dot)];
  return dot == std::string::npos ? child : module_at(*child, path.substr(dot + 1));
}

void remove_children_from(torch::nn::Module& module, const std::string& list, std::size_t k) {
  const auto container = module_at(module, list);
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
    Linear score_head = heads_.score_heads_[k];  // handles
    LayerNorm norm = heads_.norm_;
    const Tensor read = norm ? norm(content) : content;
    std::optional<Prediction> prediction;
    if (heads_.options_.two_readings) {
      if (wanted) prediction = {score_head(read), (step_of(k, read) + start()).sigmoid()};
      refined_ = (step_of(k, content) + logits_of(reference_)).sigmoid();
    } else {
      const Tensor step = step_of(k, read);
      // Boxes handed out reach the gradient of the layer before too; those refined further start from a constant.
      const Tensor before = start();
      const Tensor boxes = (step + before).sigmoid();
      if (wanted) prediction = {score_head(read), boxes};
      refined_ = refined_.defined() && before.requires_grad() ? (step + before.detach()).sigmoid() : boxes;
    }
    reference_ = refined_.detach();
    return prediction;
  }

 private:
  Tensor step_of(std::int64_t k, const Tensor& content) const {
    Mlp bbox_head = heads_.bbox_heads_[k];
    return bbox_head(content).to(reference_.scalar_type());
  }
  Tensor logits_of(const Tensor& boxes) const { return inverse_sigmoid(boxes, heads_.options_.epsilon); }
  /// Of the boxes handed out.
  Tensor start() const { return logits_of(refined_.defined() ? refined_ : reference_); }

  const LogitRefinement& heads_;
  Tensor reference_;  ///< [B, N, 4], with a gradient before the first layer alone
  Tensor refined_;    ///< the layer before's boxes, with a gradient; undefined before the first
};

namespace {

/// Under name.k of each of `names`; new tensors under the first alone.
void register_head(torch::nn::Module& head, const std::vector<std::string>& names, std::size_t k,
                   const std::shared_ptr<torch::nn::Module>& module, bool is_new) {
  for (std::size_t i = 0; i < names.size(); ++i)
    register_at(head, indexed(names[i], k), is_new && i == 0 ? module : same_tensors(*module));
}

}  // namespace

LogitRefinement::LogitRefinement(torch::nn::Module& head, const LogitRefinementOptions& o) : options_(o) {
  for (std::int64_t k = 0; k < o.layers; ++k) add_heads(head, static_cast<std::size_t>(k));
  if (!o.output_norm) return;
  norm_ = LayerNorm(o.dim);
  register_at(head, o.keys.norm, norm_.ptr());
}

void LogitRefinement::add_heads(torch::nn::Module& head, std::size_t k) {
  const LogitRefinementOptions& o = options_;
  const bool is_new = k == 0 || !o.shared;
  if (is_new) {
    score_heads_.emplace_back(o.dim, o.classes);
    bbox_heads_.emplace_back(o.dim, o.dim, 4, kBoxHeadLayers, o.head_activation);
  } else {
    score_heads_.push_back(score_heads_.front());
    bbox_heads_.push_back(bbox_heads_.front());
  }
  register_head(head, o.keys.scores, k, score_heads_.back().ptr(), is_new);
  register_head(head, o.keys.boxes, k, bbox_heads_.back().ptr(), is_new);
}

std::unique_ptr<BoxPass> LogitRefinement::start(const Tensor& reference_logits) const {
  return std::make_unique<Pass>(*this, reference_logits);
}

namespace {

/// As inverse_sigmoid (core/tensor/box_ops.h), of a value that is one: it lies in [0, 1].
OnnxValue emit_inverse_sigmoid(OnnxBuilder& graph, const OnnxValue& x, double epsilon) {
  const OnnxValue one = graph.precise_constant("one", torch::scalar_tensor(1, torch::kDouble));
  const OnnxValue least = graph.precise_constant("least", torch::scalar_tensor(epsilon, torch::kDouble));
  const OnnxValue rest = onnx::max(graph, onnx::sub(graph, one, x), least);
  return onnx::unary(graph, "Log", onnx::div(graph, onnx::max(graph, x, least), rest));
}

}  // namespace

OnnxValue emit_moved_boxes(OnnxBuilder& graph, const OnnxValue& moved, const OnnxValue& reference, double epsilon) {
  if (graph.native()) return graph.node("MovedBoxes", {moved, reference}, {reference.shape, reference.type});
  const OnnxValue step = onnx::cast(graph, moved, graph.precise_type());
  const OnnxValue start = emit_inverse_sigmoid(graph, reference, epsilon);
  return onnx::unary(graph, "Sigmoid", onnx::add(graph, step, start));
}

class LogitRefinement::OnnxPass : public OnnxBoxPass {
 public:
  OnnxPass(const LogitRefinement& heads, const OnnxValue& reference) : OnnxBoxPass(reference), heads_(heads) {}

  void advance(OnnxBuilder& graph, std::size_t k, const OnnxValue& content, bool last) override {
    start_ = reference_;
    read_ = heads_.norm_ ? OnnxValue{} : content;
    if (!heads_.options_.two_readings)
      reference_ = moved(graph, k, read(graph, content));
    else if (!last)
      reference_ = moved(graph, k, content);
  }
  OnnxValue scores(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) override {
    return graph.emit(indexed("dec_score_head", k), heads_.score_heads_.at(k), read(graph, content));
  }
  OnnxValue boxes(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) override {
    return heads_.options_.two_readings ? moved(graph, k, read(graph, content)) : reference_;
  }

 private:
  /// What the heads read of the layer's output; a norm only where one of them does.
  OnnxValue read(OnnxBuilder& graph, const OnnxValue& content) {
    if (read_.name.empty()) read_ = graph.emit("norm", heads_.norm_, content);
    return read_;
  }
  OnnxValue moved(OnnxBuilder& graph, std::size_t k, const OnnxValue& from) {
    const OnnxValue step = graph.emit(indexed("dec_bbox_head", k), heads_.bbox_heads_.at(k), from);
    const OnnxBuilder::Scope scope = graph.within(indexed("boxes", k));
    return emit_moved_boxes(graph, step, start_, heads_.options_.epsilon);
  }

  const LogitRefinement& heads_;
  OnnxValue start_;  ///< where the layer looked
  OnnxValue read_;
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
  for (const auto& names : {options_.keys.scores, options_.keys.boxes}) {
    for (const std::string& name : names) remove_children_from(head, name, count);
  }
  score_heads_.resize(count, nullptr);
  bbox_heads_.resize(count, nullptr);
}

}  // namespace rtdetr
