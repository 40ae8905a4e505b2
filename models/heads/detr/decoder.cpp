#include "models/heads/detr/decoder.h"

#include <ATen/record_function.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/tensor/check.h"
#include "models/heads/detr/best_pairs.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

/// [B, D, H, W] → [B, H·W, D]. The gradient comes back with the channels last; LibTorch 2.11's BatchNorm misreads that
/// for a batch of one (it takes it for contiguous), so it is put into the map's own order.
Tensor to_tokens(const Tensor& map) {
  if (map.size(0) == 1 && map.requires_grad()) {
    map.register_hook([format = map.suggest_memory_format()](const Tensor& grad) { return grad.contiguous(format); });
  }
  return map.flatten(2).transpose(1, 2);
}

}  // namespace

std::vector<HeadLayer> RTDETRDecoderImpl::layers() const {
  std::vector<HeadLayer> layers;
  if (options_.two_stage) layers.push_back({0, "encoder"});
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
  if (options_.keys == DecoderOptions::Keys::kDino) return {"dino", "official", "ultralytics"};
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
  Memory memory = project(maps, options);
  if (!encoder_.empty()) encode(memory, options.probe);
  Queries queries = options_.two_stage ? select(memory, options.tokens) : learnt_queries(memory);
  const auto matching = queries.content.size(1);
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
  std::vector<std::int64_t> sizes{denoising, matching};
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

RTDETRDecoderImpl::Memory RTDETRDecoderImpl::project(const std::vector<Tensor>& maps, const ForwardOptions& options) {
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
    if (options.probe && !encoder_.empty()) options.probe->projected.push_back(previous);
  }
  memory.tokens = torch::cat(tokens, 1);
  if (!options.valid_sizes.empty()) {
    memory.padding = token_padding(memory.levels, {options.valid_sizes.begin(), options.valid_sizes.end()},
                                   options.batch_size, memory.tokens.options().dtype(box_type(memory)));
  }
  return memory;
}

torch::ScalarType RTDETRDecoderImpl::box_type(const Memory& memory) const {
  return memory.tokens.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
}

/// @param chosen  [B, Q] instead of the best tokens, or undefined
RTDETRDecoderImpl::Queries RTDETRDecoderImpl::select(const Memory& memory, const Tensor& chosen) {
  RECORD_USER_SCOPE("query selection");
  const auto type = box_type(memory);
  const auto in_type = memory.tokens.options().dtype(type);
  const Anchors anchors = memory.padding.any()
                              ? make_anchors_of_padded(memory.levels, options_.anchors, in_type, memory.padding.valid)
                              : anchors_.get(memory.levels, in_type);
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
  const Tensor box_logits = enc_bbox_head_(features).to(type) + gather_tokens(anchor_logits, queries.indices);
  queries.encoder = {logits, box_logits.sigmoid()};
  queries.reference_logits = box_logits.detach();
  queries.content = learnt_queries_.defined()
                        ? learnt_queries_.narrow(0, 0, features.size(1)).expand({features.size(0), -1, -1})
                        : features.detach();
  return queries;
}

RTDETRDecoderImpl::Queries RTDETRDecoderImpl::learnt_queries(const Memory& memory) const {
  const auto of_batch = [&](const Tensor& table) { return table.expand({memory.tokens.size(0), -1, -1}); };
  Queries queries;
  queries.content = of_batch(learnt_queries_);
  queries.reference_logits = of_batch(learnt_boxes_.to(box_type(memory)));
  return queries;
}

Tensor RTDETRDecoderImpl::embed_position(const Tensor& reference, const Memory& memory) {
  Tensor read = reference;
  if (memory.padding.any()) read = read * memory.padding.ratios.narrow(1, 0, 1).repeat({1, 1, 2});  // of the batch
  if (options_.sine_position) read = sine_of_boxes(read, options_.dim);
  const Tensor position = query_pos_head_(read.to(memory.tokens.scalar_type()));
  const double limit = options_.position_limit;
  return limit > 0 ? position.clamp(-limit, limit) : position;
}

namespace {

/// Boxes as fractions of the picture, [B, N, 4], as fractions of each level's map, [B, N, L, 4]; of whole pictures they
/// are the same, and stay as they are.
Tensor on_levels(const Tensor& boxes, const TokenPadding& padding) {
  if (!padding.any()) return boxes;
  return boxes.unsqueeze(2) * padding.ratios.repeat({1, 1, 2}).unsqueeze(1);
}

}  // namespace

std::vector<Prediction> RTDETRDecoderImpl::decode(const Queries& queries, const Memory& memory, std::int64_t layers,
                                                  bool every_layer, BoxPass& boxes) {
  std::vector<Prediction> predictions;
  Tensor content = queries.content, position;
  for (std::int64_t k = 0; k < layers; ++k) {
    const Tensor reference = boxes.reference();  // [B, N, 4]
    if (k == 0 || !options_.one_position) position = embed_position(reference, memory);
    content = layers_[k]->forward(content, position, on_levels(reference, memory.padding), memory.tokens, memory.levels,
                                  queries.mask, memory.padding.hidden);
    const bool wanted = every_layer || k + 1 == layers;
    if (auto prediction = boxes.advance(k, content, wanted)) predictions.push_back(*std::move(prediction));
  }
  return predictions;
}

/// The official code of v1 and v2 runs the box head of query selection before it selects.
double RTDETRDecoderImpl::spared_operations(std::int64_t tokens) const {
  if (deployment() != Deployment::kOfficial || !options_.two_stage) return 0;
  const double dim = static_cast<double>(options_.dim), spared = static_cast<double>(tokens - options_.num_queries);
  return 2 * std::max(spared, 0.0) * (2 * dim * dim + 4 * dim);
}

}  // namespace rtdetr
