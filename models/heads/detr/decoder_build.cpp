// The decoder's modules: built, given their initial values, and dropped where only training needs them.
#include <cmath>

#include <torch/torch.h>

#include "core/tensor/check.h"
#include "models/heads/detr/decoder.h"
#include "models/heads/detr/distribution_refinement.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

constexpr double kPriorProbability = 0.01;  // of every class, before training
constexpr double kPriorClasses = 80;        // for which Ultralytics' scaled bias is the same

/// One parameter `weight` [rows, columns], drawn from N(0, 1).
struct TableImpl : torch::nn::Module, InitializesWeights {
  TableImpl(std::int64_t rows, std::int64_t columns) {
    weight = register_parameter("weight", new_weight({rows, columns}));
  }
  void init_weights(const WeightDraws& draws) override { draws.normal(weight, "weight"); }
  Tensor weight;
};

Tensor add_table(torch::nn::Module& parent, const std::string& name, std::int64_t rows, std::int64_t columns) {
  auto table = std::make_shared<TableImpl>(rows, columns);
  parent.register_module(name, table);
  return table->weight;
}

}  // namespace

RTDETRDecoderImpl::RTDETRDecoderImpl(DecoderOptions options)
    : options_(std::move(options)), anchors_(options_.anchors) {
  RTDETR_CHECK(!options_.in_channels.empty() && options_.points.size() >= options_.in_channels.size(),
               "the decoder needs at least one map, and a number of points for each");
  RTDETR_CHECK(options_.layers > 0, "the decoder needs a layer");
  if (options_.eval_layers <= 0 || options_.eval_layers > options_.layers) options_.eval_layers = options_.layers;
  build_input_projections();
  build_layers();
  build_selection();
}

void RTDETRDecoderImpl::build_input_projections() {
  ConvNormActOptions unit;
  unit.norm = options_.norm;
  const bool numbered = options_.keys == DecoderOptions::Keys::kUltralytics;
  unit.conv_name = numbered ? "0" : "conv";
  unit.norm_name = numbered ? "1" : "norm";
  const auto maps = options_.in_channels.size();
  for (std::size_t level = 0; level < options_.points.size(); ++level) {
    const auto in = level < maps    ? options_.in_channels[level]
                    : level == maps ? options_.in_channels.back()
                                    : options_.dim;
    unit.conv = {in, options_.dim};
    if (level >= maps) unit.conv.kernel = 3, unit.conv.stride = 2, unit.conv.padding = 1;
    if (options_.identity_projection && level < maps && in == options_.dim) {
      input_proj_.emplace_back(nullptr);
      continue;
    }
    input_proj_.emplace_back(unit);
    register_at(*this, indexed("input_proj", level), input_proj_.back().ptr());
  }
}

void RTDETRDecoderImpl::build_layers() {
  const auto dim = options_.dim;
  DecoderLayerOptions layer;
  layer.attention = {dim, options_.heads, options_.points, options_.sampling};
  layer.attention.projections = options_.attention_projections;
  layer.attention.points_scale_buffer = options_.points_scale_buffer;
  layer.ffn_dim = options_.ffn_dim;
  layer.activation = options_.activation;
  layer.swish = options_.swish_ffn;
  layer.norm = options_.token_norm;
  layer.gate = options_.gate;
  layer.clamp_output = options_.clamp_output;
  layer.xavier_ffn = options_.xavier_ffn;
  for (std::int64_t k = 0; k < options_.layers; ++k) {
    layers_.emplace_back(layer);
    register_at(*this, indexed("decoder.layers", k), layers_.back().ptr());
  }
  refinement_ = make_refinement();
  const auto hidden = options_.one_position ? dim : 2 * dim;
  const int depth = options_.one_position ? 3 : 2;
  query_pos_head_ = register_module("query_pos_head", Mlp(4, hidden, dim, depth, options_.head_activation));
}

std::unique_ptr<BoxRefinement> RTDETRDecoderImpl::make_refinement() {
  const DecoderOptions& o = options_;
  if (o.boxes == DecoderOptions::Boxes::kLogits) {
    const LogitRefinementOptions options{o.layers, o.dim, o.num_classes, o.head_activation};
    return std::make_unique<LogitRefinement>(*this, options);
  }
  DistributionRefinementOptions options{o.layers, o.dim, o.num_classes, o.distribution};
  options.head_activation = o.head_activation;
  options.quality_activation = o.activation;
  options.equal_heads = o.equal_heads;
  options.shared_boxes = o.shared_boxes;
  return std::make_unique<DistributionRefinement>(*this, options);
}

void RTDETRDecoderImpl::build_selection() {
  const auto dim = options_.dim;
  const bool named = options_.keys == DecoderOptions::Keys::kV2;
  if (options_.encoder_output) {
    enc_output_proj_ = Linear(dim, dim);
    enc_output_norm_ = LayerNorm(dim);
    register_at(*this, named ? "enc_output.proj" : "enc_output.0", enc_output_proj_.ptr());
    register_at(*this, named ? "enc_output.norm" : "enc_output.1", enc_output_norm_.ptr());
  }
  enc_score_head_ = register_module("enc_score_head", Linear(dim, options_.num_classes));
  enc_bbox_head_ = register_module("enc_bbox_head", Mlp(dim, dim, 4, kBoxHeadLayers, options_.head_activation));
  if (options_.learnt_queries) learnt_queries_ = add_table(*this, "tgt_embed", options_.num_queries, dim);
  if (options_.denoising.count > 0) {
    const bool padding_class = options_.denoising.padding == DenoisingOptions::Padding::kClass;
    denoising_classes_ = add_table(*this, "denoising_class_embed", options_.num_classes + (padding_class ? 1 : 0), dim);
  }
}

void RTDETRDecoderImpl::init_weights(const WeightDraws& draws) {
  double prior = -std::log((1 - kPriorProbability) / kPriorProbability);
  if (options_.prior_scales_with_classes) prior *= static_cast<double>(options_.num_classes) / kPriorClasses;
  WeightDraws::constant(enc_score_head_->bias, prior);
  start_at_zero(enc_bbox_head_->layers.back());
  for (std::size_t k = 1; k < layers_.size(); ++k)
    copy_state(*layers_[0], *layers_[k]);  // the references deep-copy one layer
  refinement_->init_weights(prior);
  if (enc_output_proj_) draws.xavier_uniform(enc_output_proj_->weight, "enc_output.weight");
  for (std::size_t k = 0; k < query_pos_head_->layers.size(); ++k)
    draws.xavier_uniform(query_pos_head_->layers[k]->weight, indexed("query_pos_head.layers", k));
  if (learnt_queries_.defined()) draws.xavier_uniform(learnt_queries_, "tgt_embed.weight");
  for (std::size_t k = 0; options_.xavier_projections && k < input_proj_.size(); ++k) {
    if (input_proj_[k]) draws.xavier_uniform(input_proj_[k]->parameters().front(), indexed("input_proj", k));  // kernel
  }
  if (denoising_classes_.defined() && denoising_classes_.size(0) > options_.num_classes)
    WeightDraws::constant(denoising_classes_.select(0, options_.num_classes), 0);
}

void RTDETRDecoderImpl::fuse() {
  const auto keep = static_cast<std::size_t>(options_.eval_layers);
  if (keep < layers_.size()) {
    remove_children_from(*named_children()["decoder"], "layers", keep);
    layers_.resize(keep, nullptr);
    refinement_->keep_layers(*this, keep);
    options_.layers = options_.eval_layers;
  }
  if (denoising_classes_.defined()) {
    unregister_module("denoising_class_embed");
    denoising_classes_ = Tensor();
    options_.denoising.count = 0;
  }
}

}  // namespace rtdetr
