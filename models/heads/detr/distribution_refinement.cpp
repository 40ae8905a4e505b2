#include "models/heads/detr/distribution_refinement.h"

#include <cmath>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/tensor/box_ops.h"
#include "models/layers/init.h"
#include "models/layers/module_tree.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

class DistributionRefinement::Pass : public BoxPass {
 public:
  Pass(const DistributionRefinement& heads, const Tensor& reference_logits)
      : heads_(heads),
        reference_(reference_logits.sigmoid()),
        bins_(heads.tables_.get(heads.bins_.size(0), reference_.options(),
                                [&] { return heads.bins_.to(reference_.options()); })),
        extras_(std::make_shared<DistributionExtras>()) {
    extras_->options = heads.distribution_;
  }

  Tensor reference() const override { return reference_; }

  std::optional<Prediction> advance(std::int64_t k, const Tensor& content, bool wanted) override {
    if (k == 0) take_initial(content, wanted);
    Mlp bbox_head = heads_.bbox_heads_[k];  // handles
    const Tensor seen = before_.defined() ? content + before_.detach() : content;
    const Tensor step = bbox_head(seen).to(reference_.scalar_type());
    corners_ = corners_.defined() ? corners_ + step : step;
    before_ = content;
    const Tensor shares = shares_of_bins(corners_, heads_.distribution_);
    const Tensor boxes = deviated_boxes(start_, mean_deviations(shares, bins_), heads_.distribution_.scale);
    reference_ = boxes.detach();
    if (!wanted) return std::nullopt;
    extras_->corners.push_back(corners_);
    Linear score_head = heads_.score_heads_[k];
    LocationQuality quality = heads_.quality_[k];
    const Tensor logits = k == 0 ? extras_->initial.logits : score_head(content);
    return Prediction{logits + quality(shares, logits.scalar_type()), boxes};
  }

  std::shared_ptr<const HeadExtras> extras() const override { return extras_; }

 private:
  /// The first layer's score head scores the initial boxes, too, for the loss alone.
  void take_initial(const Tensor& content, bool wanted) {
    Mlp head = heads_.initial_head_;
    Linear score_head = heads_.score_heads_.front();
    const Tensor moved = head(content).to(reference_.scalar_type());
    extras_->initial.boxes_cxcywh = (moved + inverse_sigmoid(reference_)).sigmoid();
    if (wanted) extras_->initial.logits = score_head(content);
    start_ = extras_->initial.boxes_cxcywh.detach();
  }

  const DistributionRefinement& heads_;
  Tensor reference_;  ///< [B, N, 4], with a gradient before the first layer alone
  Tensor bins_;
  Tensor start_;    ///< the initial boxes, without a gradient
  Tensor corners_;  ///< the sum so far; undefined before the first layer
  Tensor before_;   ///< the layer before's content
  std::shared_ptr<DistributionExtras> extras_;
};

class DistributionRefinement::OnnxPass : public OnnxBoxPass {
 public:
  OnnxPass(const DistributionRefinement& heads, const OnnxValue& reference) : OnnxBoxPass(reference), heads_(heads) {}

  void advance(OnnxBuilder& graph, std::size_t k, const OnnxValue& content, bool /*last*/) override {
    if (k == 0) {
      const OnnxValue moved = graph.emit("pre_bbox_head", heads_.initial_head_, content);
      const OnnxBuilder::Scope scope = graph.within("initial_boxes");
      start_ = emit_moved_boxes(graph, moved, reference_);
    }
    const OnnxValue seen = k == 0 ? content : onnx::add(graph, content, before_);
    const OnnxValue step = graph.emit(indexed("dec_bbox_head", k), heads_.bbox_heads_.at(k), seen);
    const OnnxBuilder::Scope scope = graph.within(indexed("boxes", k));
    const OnnxValue precise = onnx::cast(graph, step, graph.precise_type());
    corners_ = k == 0 ? precise : onnx::add(graph, corners_, precise);
    before_ = content;
    // Rows of one side each: [B, 4 N, bins].
    shares_ = onnx::softmax(graph, onnx::reshape(graph, corners_, {0, -1, heads_.distribution_.bins()}));
    reference_ = emit_boxes(graph);
  }
  OnnxValue scores(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) override {
    const OnnxValue logits = graph.emit(indexed("dec_score_head", k), heads_.score_heads_.at(k), content);
    return onnx::add(graph, logits, graph.emit(indexed("decoder.lqe_layers", k), heads_.quality_.at(k), shares_));
  }

 private:
  /// As deviated_boxes.
  OnnxValue emit_boxes(OnnxBuilder& graph) const {
    const double unit = 1 / heads_.distribution_.scale;
    const OnnxValue bins = graph.precise_constant("bins", (heads_.bins_ * unit).unsqueeze(1));
    const OnnxValue parts = onnx::reshape(graph, onnx::matmul(graph, shares_, bins), {0, -1, 4});
    const auto side = onnx::split(graph, parts, {2, 2}, -1), box = onnx::split(graph, start_, {2, 2}, -1);
    const OnnxValue half = graph.precise_constant("half", torch::scalar_tensor(0.5, torch::kDouble));
    const OnnxValue moved = onnx::mul(graph, onnx::mul(graph, onnx::sub(graph, side[1], side[0]), half), box[1]);
    const OnnxValue grown = onnx::mul(graph, onnx::add(graph, side[0], side[1]), box[1]);
    return onnx::concat(graph, {onnx::add(graph, box[0], moved), onnx::add(graph, box[1], grown)}, -1);
  }

  const DistributionRefinement& heads_;
  OnnxValue start_, corners_, before_, shares_;
};

namespace {

/// Its one number is the same tensor under two keys, counted once.
void register_constant(torch::nn::Module& head, torch::nn::Module& decoder, const std::string& name, double value) {
  const bool whole = std::floor(value) == value;  // the reference keeps the type that its configuration writes
  const Tensor number = torch::full({1}, value, whole ? torch::kInt64 : torch::kFloat32).to(weight_device());
  head.register_parameter(name, number, /*requires_grad=*/false);
  decoder.register_buffer(name, number);
}

}  // namespace

DistributionRefinement::DistributionRefinement(torch::nn::Module& head, const DistributionRefinementOptions& o)
    : distribution_(o.distribution), equal_heads_(o.equal_heads), bins_(deviations_of_bins(o.distribution)) {
  for (std::int64_t k = 0; k < o.layers; ++k) {
    score_heads_.emplace_back(o.dim, o.classes);
    quality_.emplace_back(o.quality_activation);
    register_at(head, indexed("dec_score_head", k), score_heads_.back().ptr());
    add_bbox_head(head, static_cast<std::size_t>(k), o);
    register_at(head, indexed("decoder.lqe_layers", k), quality_.back().ptr());
  }
  initial_head_ = Mlp(o.dim, o.dim, 4, kBoxHeadLayers, o.head_activation);
  register_at(head, "pre_bbox_head", initial_head_.ptr());
  torch::nn::Module& decoder = *head.named_children()["decoder"];
  register_constant(head, decoder, "up", distribution_.reach);
  register_constant(head, decoder, "reg_scale", distribution_.scale);
}

void DistributionRefinement::add_bbox_head(torch::nn::Module& head, std::size_t k,
                                           const DistributionRefinementOptions& o) {
  const std::string name = indexed("dec_bbox_head", k);
  if (k > 0 && o.shared_boxes) {
    bbox_heads_.push_back(bbox_heads_.front());
    register_at(head, name, same_tensors(*bbox_heads_.front()));
    return;
  }
  bbox_heads_.emplace_back(o.dim, o.dim, distribution_.corners(), kBoxHeadLayers, o.head_activation);
  register_at(head, name, bbox_heads_.back().ptr());
}

std::unique_ptr<BoxPass> DistributionRefinement::start(const Tensor& reference_logits) const {
  return std::make_unique<Pass>(*this, reference_logits);
}

std::unique_ptr<OnnxBoxPass> DistributionRefinement::start_emit(OnnxBuilder&, const OnnxValue& reference) const {
  return std::make_unique<OnnxPass>(*this, reference);
}

void DistributionRefinement::init_weights(double prior) {
  start_at_zero(initial_head_->layers.back());
  for (std::size_t k = 0; k < score_heads_.size(); ++k) {
    WeightDraws::constant(score_heads_[k]->bias, prior);
    start_at_zero(bbox_heads_[k]->layers.back());
    if (k == 0 || !equal_heads_) continue;
    copy_state(*score_heads_.front(), *score_heads_[k]);
    copy_state(*bbox_heads_.front(), *bbox_heads_[k]);
  }
}

void DistributionRefinement::keep_layers(torch::nn::Module& head, std::size_t count) {
  remove_children_from(head, "dec_score_head", count);
  remove_children_from(head, "dec_bbox_head", count);
  remove_children_from(*head.named_children()["decoder"], "lqe_layers", count);
  score_heads_.resize(count, nullptr);
  bbox_heads_.resize(count, nullptr);
  quality_.resize(count, nullptr);
}

std::vector<StateConstant> DistributionRefinement::constants() const {
  std::vector<StateConstant> all;
  for (const char* const prefix : {"", "decoder."}) {
    all.push_back({prefix + std::string("up"), distribution_.reach});
    all.push_back({prefix + std::string("reg_scale"), distribution_.scale});
  }
  return all;
}

std::int64_t DistributionRefinement::idle_parameters() const {
  std::int64_t idle = 0;
  for (std::size_t k = 0; k + 1 < score_heads_.size(); ++k)
    idle += count_parameters(*score_heads_[k]) + count_parameters(*quality_[k]);
  return idle;
}

}  // namespace rtdetr
