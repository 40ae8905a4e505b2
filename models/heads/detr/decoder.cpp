#include "models/heads/detr/decoder.h"

#include <cmath>

#include <ATen/autocast_mode.h>
#include <ATen/record_function.h>
#include <torch/torch.h>

#include "core/base/error.h"
#include "core/tensor/check.h"
#include "core/tensor/upload.h"
#include "models/heads/detr/best_pairs.h"
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

/// [B, D, H, W] → [B, H·W, D]. The gradient comes back with the channels last; LibTorch 2.11's BatchNorm misreads that
/// for a batch of one (it takes it for contiguous), so it is put into the map's own order.
Tensor to_tokens(const Tensor& map) {
  if (map.size(0) == 1 && map.requires_grad()) {
    map.register_hook([format = map.suggest_memory_format()](const Tensor& grad) { return grad.contiguous(format); });
  }
  return map.flatten(2).transpose(1, 2);
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
  layer.gate = options_.gate;
  layer.clamp_output = options_.clamp_output;
  layer.xavier_ffn = options_.xavier_ffn;
  for (std::int64_t k = 0; k < options_.layers; ++k) {
    layers_.emplace_back(layer);
    register_at(*this, indexed("decoder.layers", k), layers_.back().ptr());
  }
  refinement_ = make_refinement();
  query_pos_head_ = register_module("query_pos_head", Mlp(4, 2 * dim, dim, 2, options_.head_activation));
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
  return std::make_unique<DistributionRefinement>(*this, options);
}

void RTDETRDecoderImpl::build_selection() {
  const auto dim = options_.dim;
  const bool named = options_.keys == DecoderOptions::Keys::kV2;
  enc_output_proj_ = Linear(dim, dim);
  enc_output_norm_ = LayerNorm(dim);
  register_at(*this, named ? "enc_output.proj" : "enc_output.0", enc_output_proj_.ptr());
  register_at(*this, named ? "enc_output.norm" : "enc_output.1", enc_output_norm_.ptr());
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
  draws.xavier_uniform(enc_output_proj_->weight, "enc_output.weight");
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

std::vector<HeadLayer> RTDETRDecoderImpl::layers() const {
  std::vector<HeadLayer> layers{{0, "encoder"}};
  for (std::int64_t k = 1; k <= num_layers(); ++k) layers.push_back({k, std::to_string(k)});
  return layers;
}

std::vector<Detections> RTDETRDecoderImpl::postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                                       const PostprocessOptions& options) const {
  return best_pairs(prediction, sizes, options);
}

Deployment RTDETRDecoderImpl::deployment() const {
  if (options_.boxes == DecoderOptions::Boxes::kDistributions) return Deployment::kDfine;
  return options_.keys == DecoderOptions::Keys::kUltralytics ? Deployment::kUltralytics : Deployment::kOfficial;
}

std::vector<std::string> RTDETRDecoderImpl::criteria() const {
  if (options_.boxes == DecoderOptions::Boxes::kDistributions) return {"dfine"};
  std::vector<std::string> words{"official", "ultralytics"};
  if (options_.keys == DecoderOptions::Keys::kUltralytics) std::swap(words[0], words[1]);
  return words;
}

/// Ultralytics neither folds the decoder's BatchNorm nor drops the embedding, the others drop that and fold as little.
std::int64_t RTDETRDecoderImpl::deployed_parameters(Deployment deployment) const {
  const std::int64_t all = count_parameters(*this);
  if (deployment == Deployment::kUltralytics) return all;
  const std::int64_t embedding = denoising_classes_.defined() ? denoising_classes_.numel() : 0;
  return all - embedding - (deployment == Deployment::kDfine ? refinement_->idle_parameters() : 0);
}

ModelOutput RTDETRDecoderImpl::forward(const std::vector<Tensor>& maps, const ForwardOptions& options) {
  const bool training = options.for_training();
  const auto run = training ? num_layers() : layers_to_run(options);
  const Memory memory = project(maps);
  Queries queries = select(memory, options.tokens);
  if (training) prepend_denoising(queries, options);
  const std::unique_ptr<BoxPass> pass = refinement_->start(queries.reference_logits);
  std::vector<Prediction> predictions = decode(queries, memory, run, training || options.all_layers, *pass);

  ModelOutput output;
  output.extras = pass->extras();
  output.encoder = queries.encoder;
  output.topk_indices = queries.indices;
  output.denoising_pairs = queries.denoising;
  const auto denoising = queries.denoising.queries;
  if (denoising == 0) {
    output.layers = std::move(predictions);
    return output;
  }
  std::vector<std::int64_t> sizes{denoising, queries.indices.size(1)};
  if (const auto padding = queries.denoising_slots - denoising; padding > 0) sizes.insert(sizes.begin() + 1, padding);
  for (const Prediction& all : predictions) {
    const auto logits = all.logits.split_with_sizes(sizes, 1), boxes = all.boxes_cxcywh.split_with_sizes(sizes, 1);
    output.denoising.push_back({logits.front(), boxes.front()});
    output.layers.push_back({logits.back(), boxes.back()});
  }
  return output;
}

std::int64_t RTDETRDecoderImpl::layers_to_run(const ForwardOptions& options) const {
  const auto asked = options.decoder_layers;
  if (asked < 0 || asked > num_layers())
    throw ConfigError("decoder_layers=" + std::to_string(asked) + ": the model has " + std::to_string(num_layers()) +
                      " decoder layers; use 1 to " + std::to_string(num_layers()) + ", or 0 for its usual depth");
  if (asked > 0) return asked;
  return options.all_layers ? num_layers() : options_.eval_layers;
}

RTDETRDecoderImpl::Memory RTDETRDecoderImpl::project(const std::vector<Tensor>& maps) {
  RTDETR_CHECK(maps.size() == options_.in_channels.size(), "the decoder was built for " +
                                                               std::to_string(options_.in_channels.size()) +
                                                               " maps, not " + std::to_string(maps.size()));
  Memory memory;
  std::vector<Tensor> tokens;
  Tensor previous;
  for (std::size_t level = 0; level < input_proj_.size(); ++level) {
    const Tensor& in = level < maps.size() ? maps[level] : level == maps.size() ? maps.back() : previous;
    previous = input_proj_[level] ? input_proj_[level]->forward(in) : in;
    memory.levels.push_back({previous.size(2), previous.size(3)});
    tokens.push_back(to_tokens(previous));
  }
  memory.tokens = torch::cat(tokens, 1);
  return memory;
}

/// @param chosen  [B, Q] instead of the best tokens, or undefined
RTDETRDecoderImpl::Queries RTDETRDecoderImpl::select(const Memory& memory, const Tensor& chosen) {
  RECORD_USER_SCOPE("query selection");
  const auto box_type = memory.tokens.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
  const Anchors anchors = anchors_.get(memory.levels, memory.tokens.options().dtype(box_type));
  const Tensor tokens = anchors.valid.defined() ? memory.tokens * anchors.valid : memory.tokens;

  // Every token is scored, but only the selected ones reach the loss: with gradients, score them all without and
  // compute the selected few again.
  const bool again = torch::GradMode::is_enabled();
  Queries queries;
  Tensor features, logits;
  {
    const torch::AutoGradMode record(false);
    features = encode_output(tokens);
    logits = enc_score_head_(features);
    queries.indices = chosen.defined() ? chosen : select_queries(logits, options_.num_queries, options_.selection);
  }
  if (again) {
    features = encode_output(gather_tokens(tokens, queries.indices));
    logits = enc_score_head_(features);
  } else {
    features = gather_tokens(features, queries.indices);  // [B, Q, D]
    logits = gather_tokens(logits, queries.indices);      // [B, Q, C]
  }
  const Tensor anchor_logits = anchors.logits.expand({tokens.size(0), -1, -1});
  const Tensor box_logits = enc_bbox_head_(features).to(box_type) + gather_tokens(anchor_logits, queries.indices);
  queries.encoder = {logits, box_logits.sigmoid()};
  queries.reference_logits = box_logits.detach();
  queries.content = learnt_queries_.defined()
                        ? learnt_queries_.narrow(0, 0, features.size(1)).expand({features.size(0), -1, -1})
                        : features.detach();
  return queries;
}

void RTDETRDecoderImpl::prepend_denoising(Queries& queries, const ForwardOptions& options) {
  RECORD_USER_SCOPE("denoising");
  const auto batch = queries.content.size(0), matching = queries.content.size(1);
  RTDETR_CHECK(static_cast<std::int64_t>(options.targets.size()) == batch,
               std::to_string(options.targets.size()) + " targets for " + std::to_string(batch) + " images");
  DenoisingPairs plan = plan_denoising(options.targets, options_.denoising, options.share.largest_count);
  if (plan.queries == 0) return;
  RTDETR_CHECK(denoising_classes_.defined(), "a fused model cannot be trained");
  const auto slots = options.repeat_shapes ? repeating_queries(plan.queries, options_.denoising) : plan.queries;
  const DenoisingQueries noisy = noisy_queries(options, plan, slots, queries.reference_logits);
  queries.content = torch::cat({embed_classes(noisy.labels).to(queries.content.scalar_type()), queries.content}, 1);
  queries.reference_logits = torch::cat({noisy.box_logits, queries.reference_logits}, 1);
  queries.mask = attention_mask({slots, plan.queries / plan.groups, matching}, queries.content);
  queries.denoising_slots = slots;
  queries.denoising = std::move(plan);
}

/// @param slots  at least the plan's queries; the rest is padding
/// @param like   has the device and the type of the boxes
DenoisingQueries RTDETRDecoderImpl::noisy_queries(const ForwardOptions& options, const DenoisingPairs& plan,
                                                  std::int64_t slots, const Tensor& like) const {
  const BatchShare& share = options.share;
  const auto batch = static_cast<std::int64_t>(options.targets.size());
  DenoisingDraws draws;
  if (options.draws) {
    draws = *options.draws;
  } else {
    RTDETR_CHECK(options.generator.has_value(), "training needs a generator for the denoising queries");
    draws = draw_denoising(batch * share.world, plan.queries, options_.num_classes, *options.generator,
                           like.options().device(options.targets.front().boxes_cxcywh.device()));
    if (share.world > 1) draws = share_of(draws, share.rank, share.world);
  }
  DenoisingQueries noisy =
      make_denoising_queries(options.targets, options_.num_classes, options_.denoising, draws, share.largest_count);
  noisy.box_logits = noisy.box_logits.to(like.scalar_type());
  if (const auto padding = slots - plan.queries; padding > 0) {
    const bool padding_class = options_.denoising.padding == DenoisingOptions::Padding::kClass;
    noisy.labels = torch::constant_pad_nd(noisy.labels, {0, padding}, padding_class ? options_.num_classes : -1);
    noisy.box_logits = torch::constant_pad_nd(noisy.box_logits, {0, 0, 0, padding});
  }
  if (!noisy.labels.is_cpu()) return noisy;
  const std::vector<Tensor> there = upload({noisy.labels, noisy.box_logits}, like.device());
  noisy.labels = there[0];
  noisy.box_logits = there[1];
  return noisy;
}

/// [B, K] → [B, K, D]
Tensor RTDETRDecoderImpl::embed_classes(const Tensor& labels) const {
  if (options_.denoising.padding == DenoisingOptions::Padding::kClass)
    return torch::embedding(denoising_classes_, labels, options_.num_classes);
  const Tensor real = labels.ge(0).unsqueeze(-1);
  return torch::embedding(denoising_classes_, labels.clamp_min(0)) * real;
}

/// Added rather than boolean, and in the type that attention computes in: it would convert another in every layer. On a
/// GPU a row begins at a multiple of 16 numbers, as its attention wants it, too. On the CPU it has the denoising
/// queries' rows alone: attention is computed apart for the others, in fewer operations; a GPU would wait for more
/// launches.
Tensor RTDETRDecoderImpl::attention_mask(const BlockedPairs& shape, const Tensor& content) {
  const auto device = content.device();
  const bool autocast = at::autocast::is_autocast_enabled(device.type());
  const auto type = autocast ? at::autocast::get_autocast_dtype(device.type()) : content.scalar_type();
  const auto options = torch::TensorOptions(type).device(device);
  return masks_.get(shape, options, [&] {
    const torch::NoGradGuard no_grad;
    const auto total = shape.queries + shape.matching;
    const auto length = device.is_cpu() ? total : (total + 15) / 16 * 16;
    const Tensor mask = torch::zeros({total, length}, options).narrow(1, 0, total);
    mask.masked_fill_(blocked_pairs(shape, device), -std::numeric_limits<double>::infinity());
    return device.is_cpu() ? mask.narrow(0, 0, shape.queries).clone() : mask;
  });
}

Tensor RTDETRDecoderImpl::embed_position(const Tensor& reference, torch::ScalarType type) {
  const Tensor position = query_pos_head_(reference.to(type));
  const double limit = options_.position_limit;
  return limit > 0 ? position.clamp(-limit, limit) : position;
}

std::vector<Prediction> RTDETRDecoderImpl::decode(const Queries& queries, const Memory& memory, std::int64_t layers,
                                                  bool every_layer, BoxPass& boxes) {
  std::vector<Prediction> predictions;
  Tensor content = queries.content;
  for (std::int64_t k = 0; k < layers; ++k) {
    const Tensor reference = boxes.reference();  // [B, N, 4]
    const Tensor position = embed_position(reference, memory.tokens.scalar_type());
    content = layers_[k]->forward(content, position, reference, memory.tokens, memory.levels, queries.mask);
    const bool wanted = every_layer || k + 1 == layers;
    if (auto prediction = boxes.advance(k, content, wanted)) predictions.push_back(*std::move(prediction));
  }
  return predictions;
}

/// The official code of v1 and v2 runs the box head of query selection before it selects.
double RTDETRDecoderImpl::spared_operations(std::int64_t tokens) const {
  if (deployment() != Deployment::kOfficial) return 0;
  const double dim = static_cast<double>(options_.dim), spared = static_cast<double>(tokens - options_.num_queries);
  return 2 * std::max(spared, 0.0) * (2 * dim * dim + 4 * dim);
}

}  // namespace rtdetr
