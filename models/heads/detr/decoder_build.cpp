// The decoder's modules: built, given their initial values, and dropped where only training needs them.
#include <cmath>

#include <torch/nn/module.h>

#include "core/base/check.h"
#include "core/tensor/check.h"
#include "models/heads/detr/decoder.h"
#include "models/heads/detr/distribution_refinement.h"
#include "models/layers/conv_group_norm.h"
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
  register_at(parent, name, table);
  return table->weight;
}

/// What the decoder's modules are called.
struct DecoderNames {
  std::string layers = "decoder.layers", positions = "query_pos_head";
  std::string output_proj = "enc_output.0", output_norm = "enc_output.1";
  std::string scores = "enc_score_head", boxes = "enc_bbox_head";
  std::string learnt = "tgt_embed", learnt_boxes = "refpoint_embed", denoising = "denoising_class_embed";
  RefinementKeys refinement = {};
};

DecoderNames names_of(DecoderOptions::Keys keys) {
  DecoderNames names;
  if (keys == DecoderOptions::Keys::kV2) {
    names.output_proj = "enc_output.proj";
    names.output_norm = "enc_output.norm";
  } else if (keys == DecoderOptions::Keys::kDino) {
    names = {"transformer.decoder.layers",
             "transformer.decoder.ref_point_head",
             "transformer.enc_output",
             "transformer.enc_output_norm",
             "transformer.enc_out_class_embed",
             "transformer.enc_out_bbox_embed",
             "transformer.tgt_embed",
             "transformer.refpoint_embed",
             "label_enc",
             {{"transformer.decoder.class_embed", "class_embed"},
              {"transformer.decoder.bbox_embed", "bbox_embed"},
              "transformer.decoder.norm"}};
  }
  return names;
}

}  // namespace

RTDETRDecoderImpl::RTDETRDecoderImpl(DecoderOptions options)
    : options_(std::move(options)), anchors_(options_.anchors) {
  RTDETR_CHECK(!options_.in_channels.empty() && options_.points.size() >= options_.in_channels.size(),
               "the decoder needs at least one map, and a number of points for each");
  RTDETR_CHECK(options_.layers > 0, "the decoder needs a layer");
  if (!options_.two_stage) options_.learnt_queries = true;
  if (options_.eval_layers <= 0 || options_.eval_layers > options_.layers) options_.eval_layers = options_.layers;
  build_input_projections();
  if (options_.encoder_layers > 0) build_encoder();
  build_layers();
  if (options_.two_stage) build_selection();
  build_tables();
}

void RTDETRDecoderImpl::build_input_projections() {
  ConvNormActOptions unit;
  unit.norm = options_.norm;
  const bool numbered =
      options_.keys == DecoderOptions::Keys::kUltralytics || options_.keys == DecoderOptions::Keys::kDino;
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
    input_proj_.push_back(options_.group_norm ? BlockPtr(ConvGroupNorm(unit.conv).ptr()) : ConvNormAct(unit).ptr());
    register_at(*this, indexed("input_proj", level), input_proj_.back());
  }
}

void RTDETRDecoderImpl::build_encoder() {
  const bool dino = options_.keys == DecoderOptions::Keys::kDino;
  const std::string above = dino ? "transformer." : "";
  EncoderLayerOptions layer;
  layer.attention = {options_.dim, options_.heads, options_.points, options_.sampling};
  layer.ffn_dim = options_.encoder_ffn;
  layer.activation = options_.activation;
  for (std::int64_t k = 0; k < options_.encoder_layers; ++k) {
    encoder_.emplace_back(layer);
    register_at(*this, indexed(above + "encoder.layers", static_cast<std::size_t>(k)), encoder_.back().ptr());
  }
  level_embed_ = new_weight({static_cast<std::int64_t>(options_.points.size()), options_.dim});
  module_at(*this, dino ? "transformer" : "encoder")->register_parameter("level_embed", level_embed_);
}

void RTDETRDecoderImpl::build_layers() {
  const auto dim = options_.dim;
  const DecoderNames names = names_of(options_.keys);
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
  layer.xavier_output = layer.cross_norm_first = options_.keys == DecoderOptions::Keys::kDino;
  for (std::int64_t k = 0; k < options_.layers; ++k) {
    layers_.emplace_back(layer);
    register_at(*this, indexed(names.layers, k), layers_.back().ptr());
  }
  refinement_ = make_refinement();
  const auto in = options_.sine_position ? 2 * dim : 4;
  const auto hidden = options_.one_position || options_.sine_position ? dim : 2 * dim;
  const int depth = options_.one_position ? 3 : 2;
  query_pos_head_ = Mlp(in, hidden, dim, depth, options_.head_activation);
  register_at(*this, names.positions, query_pos_head_.ptr());
}

std::unique_ptr<BoxRefinement> RTDETRDecoderImpl::make_refinement() {
  const DecoderOptions& o = options_;
  if (o.boxes == DecoderOptions::Boxes::kLogits) {
    const LogitRefinementOptions options{
        o.layers,       o.dim,         o.num_classes,  o.head_activation,          o.reference_epsilon,
        o.shared_heads, o.output_norm, o.two_readings, names_of(o.keys).refinement};
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
  const DecoderNames names = names_of(options_.keys);
  if (options_.encoder_output) {
    enc_output_proj_ = Linear(dim, dim);
    enc_output_norm_ = LayerNorm(dim);
    register_at(*this, names.output_proj, enc_output_proj_.ptr());
    register_at(*this, names.output_norm, enc_output_norm_.ptr());
  }
  enc_score_head_ = Linear(dim, options_.num_classes);
  register_at(*this, names.scores, enc_score_head_.ptr());
  enc_bbox_head_ = Mlp(dim, dim, 4, kBoxHeadLayers, options_.head_activation);
  register_at(*this, names.boxes, enc_bbox_head_.ptr());
}

void RTDETRDecoderImpl::build_tables() {
  const auto dim = options_.dim;
  const DecoderNames names = names_of(options_.keys);
  if (options_.learnt_queries) learnt_queries_ = add_table(*this, names.learnt, options_.num_queries, dim);
  if (!options_.two_stage) learnt_boxes_ = add_table(*this, names.learnt_boxes, options_.num_queries, 4);
  if (options_.denoising.count > 0) {
    const bool padding_class = options_.denoising.padding == DenoisingOptions::Padding::kClass;
    const bool one_more = padding_class || options_.keys == DecoderOptions::Keys::kDino;  // there nobody reads it
    denoising_classes_ = add_table(*this, names.denoising, options_.num_classes + (one_more ? 1 : 0), dim);
  }
}

void RTDETRDecoderImpl::init_weights(const WeightDraws& draws) {
  double prior = -std::log((1 - kPriorProbability) / kPriorProbability);
  if (options_.prior_scales_with_classes) prior *= static_cast<double>(options_.num_classes) / kPriorClasses;
  if (options_.two_stage) {
    WeightDraws::constant(enc_score_head_->bias, prior);
    start_at_zero(enc_bbox_head_->layers.back());
  }
  const bool equal_layers = options_.keys != DecoderOptions::Keys::kDino;  // which draws all of them afterwards
  for (std::size_t k = 1; equal_layers && k < layers_.size(); ++k)
    copy_state(*layers_[0], *layers_[k]);  // the references deep-copy one layer
  refinement_->init_weights(prior);
  if (enc_output_proj_) draws.xavier_uniform(enc_output_proj_->weight, "enc_output.weight");
  for (std::size_t k = 0; k < query_pos_head_->layers.size(); ++k)
    draws.xavier_uniform(query_pos_head_->layers[k]->weight, indexed("query_pos_head.layers", k));
  if (learnt_queries_.defined()) draws.xavier_uniform(learnt_queries_, "tgt_embed.weight");
  for (std::size_t k = 0; options_.xavier_projections && k < input_proj_.size(); ++k) {
    if (input_proj_[k]) draws.xavier_uniform(input_proj_[k]->parameters().front(), indexed("input_proj", k));  // kernel
  }
  if (denoising_classes_.defined() && options_.denoising.padding == DenoisingOptions::Padding::kClass)
    WeightDraws::constant(denoising_classes_.select(0, options_.num_classes), 0);
  if (level_embed_.defined()) draws.normal(level_embed_, "level_embed");
}

void RTDETRDecoderImpl::fuse() {
  const DecoderNames names = names_of(options_.keys);
  const auto keep = static_cast<std::size_t>(options_.eval_layers);
  if (keep < layers_.size()) {
    remove_children_from(*this, names.layers, keep);
    layers_.resize(keep, nullptr);
    refinement_->keep_layers(*this, keep);
    options_.layers = options_.eval_layers;
  }
  if (denoising_classes_.defined()) {
    unregister_module(names.denoising);
    denoising_classes_ = Tensor();
    options_.denoising.count = 0;
  }
}

}  // namespace rtdetr
