// The decoder in operators of ONNX, in the order of decoder.cpp. Only selected tokens go through the box head, anchors
// are finite constants, and boxes stay float32 in a float16 graph.
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/tensor/box_ops.h"
#include "core/tensor/check.h"
#include "models/heads/detr/anchors_emit.h"
#include "models/heads/detr/decoder.h"
#include "models/layers/basic.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

OnnxPrediction RTDETRDecoderImpl::emit(OnnxBuilder& graph, const std::vector<OnnxValue>& maps,
                                       const OnnxHeadOptions& options) const {
  if (graph.native() && has_parts_of_dino())
    throw ModelError(
        "the CPU engine has no encoder_layers, input_norm: group, query_position: sine, output_norm, box_readings: 2 "
        "or reference_eps (variant: dino)");
  OnnxMemory memory = emit_memory(graph, maps);
  OnnxSampling sampling{memory.levels, {}, options.grid_sample, memory.free_levels};
  if (!graph.native()) sampling.first_rows = emit_first_rows(graph, memory);
  if (!encoder_.empty()) memory.tokens = emit_encoder(graph, memory, sampling);
  OnnxQueries queries = options_.two_stage ? emit_selection(graph, memory) : emit_learnt_queries(graph, memory);
  OnnxPrediction prediction;
  prediction.tokens = queries.indices;
  if (options.all_layers && options_.two_stage)
    prediction.earlier.push_back({onnx::gather_rows(graph, queries.token_logits, queries.indices), queries.reference});
  const auto layers = static_cast<std::size_t>(
      layers_to_run({.decoder_layers = options.decoder_layers, .all_layers = options.all_layers}));
  const std::unique_ptr<OnnxBoxPass> boxes = refinement_->start_emit(graph, queries.reference);
  OnnxValue position;
  for (std::size_t k = 0; k < layers; ++k) {
    if (k == 0 || !options_.one_position) position = emit_position(graph, boxes->reference());
    queries.content = graph.emit(indexed("decoder.layers", k), layers_[k], queries.content, position,
                                 boxes->reference(), memory.tokens, sampling);
    const bool last = k + 1 == layers;
    boxes->advance(graph, k, queries.content, last);
    if (!options.all_layers && !last) continue;
    OnnxLayer layer{boxes->scores(graph, k, queries.content), boxes->boxes(graph, k, queries.content)};
    if (last)
      prediction.last = std::move(layer);
    else
      prediction.earlier.push_back(std::move(layer));
  }
  return prediction;
}

bool RTDETRDecoderImpl::has_parts_of_dino() const {
  const bool other_epsilon =
      options_.boxes == DecoderOptions::Boxes::kLogits && options_.reference_epsilon != kLeastShare;
  return options_.encoder_layers > 0 || options_.group_norm || options_.sine_position || options_.output_norm ||
         options_.two_readings || other_epsilon;
}

OnnxValue RTDETRDecoderImpl::emit_position(OnnxBuilder& graph, const OnnxValue& reference) const {
  const OnnxValue read = options_.sine_position ? emit_sine_of_boxes(graph, reference, options_.dim) : reference;
  const OnnxValue position = graph.emit("query_pos_head", query_pos_head_, onnx::cast(graph, read, graph.float_type()));
  const double limit = options_.position_limit;
  return limit > 0 ? onnx::clip(graph, position, -limit, limit) : position;
}

/// Where each picture's rows of values begin.
OnnxValue RTDETRDecoderImpl::emit_first_rows(OnnxBuilder& graph, const OnnxMemory& memory) const {
  const OnnxFreeLevels& free = memory.free_levels;
  const auto rows = [&] {  // of a picture
    if (free.empty()) return graph.integer(memory.tokens.size(1) * options_.heads);
    return onnx::mul(graph, free.starts.back(), graph.integer(options_.heads));
  };
  const OnnxValue first = onnx::mul(graph, onnx::batch_numbers(graph, memory.tokens), rows());
  return onnx::reshape(graph, first, {-1, 1, 1, 1});
}

RTDETRDecoderImpl::OnnxMemory RTDETRDecoderImpl::emit_memory(OnnxBuilder& graph,
                                                             const std::vector<OnnxValue>& maps) const {
  RTDETR_CHECK(maps.size() == options_.in_channels.size(), "the decoder was built for other maps");
  OnnxMemory memory;
  std::vector<OnnxValue> tokens;
  std::vector<OnnxMapSize> sizes;
  OnnxValue previous;
  for (std::size_t level = 0; level < input_proj_.size(); ++level) {
    const OnnxBuilder::Scope scope = graph.within(indexed("input_proj", level));
    const OnnxValue in = level < maps.size() ? maps[level] : level == maps.size() ? maps.back() : previous;
    previous = input_proj_[level] ? input_proj_[level]->emit(graph, in) : in;
    memory.levels.push_back({previous.size(2), previous.size(3)});
    if (onnx::is_free(previous)) sizes.push_back(onnx::map_size(graph, previous));
    tokens.push_back(onnx::transpose(graph, onnx::reshape(graph, previous, {0, 0, -1}), {0, 2, 1}));
  }
  if (!sizes.empty()) memory.free_levels = emit_free_levels(graph, sizes, layers_.front()->sampling_options());
  memory.tokens = onnx::concat(graph, tokens, 1);
  return memory;
}

/// [B, Q] int64, best first.
OnnxValue RTDETRDecoderImpl::emit_indices(OnnxBuilder& graph, const OnnxValue& logits) const {
  const std::int64_t tokens = logits.size(1);
  const std::int64_t count = tokens < 0 ? options_.num_queries : std::min(options_.num_queries, tokens);
  if (graph.native())
    return graph.node("SelectedTokens", {logits}, {{logits.size(0), count}, OnnxType::kInt64},
                      {{"method", static_cast<std::int64_t>(options_.selection)}});
  if (options_.selection == QuerySelection::kBestClass)
    return onnx::top_k(graph, onnx::reduce_max(graph, logits), count).indices;
  const OnnxValue pairs = onnx::top_k(graph, onnx::reshape(graph, logits, {0, -1}), count).indices;
  return onnx::div(graph, pairs, graph.integer(options_.num_classes));
}

OnnxValue RTDETRDecoderImpl::emit_encoder_output(OnnxBuilder& graph, const OnnxValue& tokens) const {
  if (!options_.encoder_output) return tokens;
  const OnnxValue projected = emit_within_float16(graph, graph.emit("enc_output.proj", enc_output_proj_, tokens));
  return graph.emit("enc_output.norm", enc_output_norm_, projected);
}

OnnxAnchors RTDETRDecoderImpl::emit_anchors_of(OnnxBuilder& graph, const OnnxMemory& memory) const {
  if (graph.native()) return anchor_tables(graph, memory.levels, options_.anchors);
  std::vector<OnnxMapSize> sizes = memory.free_levels.sizes;
  if (sizes.empty())
    for (const LevelShape& level : memory.levels) sizes.push_back(onnx::known_size(graph, level.height, level.width));
  return emit_anchors(graph, sizes, options_.anchors);
}

RTDETRDecoderImpl::OnnxQueries RTDETRDecoderImpl::emit_selection(OnnxBuilder& graph, const OnnxMemory& memory) const {
  const OnnxBuilder::Scope scope = graph.within("selection");
  const OnnxAnchors anchors = emit_anchors_of(graph, memory);
  OnnxValue tokens = memory.tokens;
  if (!anchors.valid.name.empty()) tokens = onnx::mul(graph, tokens, anchors.valid);
  const OnnxValue features = emit_encoder_output(graph, tokens);
  const OnnxValue scores = graph.emit("enc_score_head", enc_score_head_, features);
  const OnnxValue indices = emit_indices(graph, scores);

  const OnnxValue chosen = onnx::gather_rows(graph, features, indices);  // [B, Q, D]
  const OnnxValue start = onnx::gather(graph, anchors.logits, indices);  // [B, Q, 4]
  const OnnxValue moved = graph.emit("enc_bbox_head", enc_bbox_head_, chosen);
  const OnnxValue logits = onnx::add(graph, onnx::cast(graph, moved, graph.precise_type()), start);
  const OnnxValue reference = onnx::unary(graph, "Sigmoid", logits);
  if (!learnt_queries_.defined()) return {chosen, reference, indices, scores};
  const torch::Tensor learnt =
      learnt_queries_.narrow(0, 0, indices.size(1)).unsqueeze(0);  // [1, Q, D], of every picture
  return {graph.constant("tgt_embed", learnt), reference, indices, scores};
}

RTDETRDecoderImpl::OnnxQueries RTDETRDecoderImpl::emit_learnt_queries(OnnxBuilder& graph,
                                                                      const OnnxMemory& memory) const {
  const OnnxBuilder::Scope scope = graph.within("queries");
  const OnnxValue content = graph.constant("tgt_embed", learnt_queries_.unsqueeze(0));
  OnnxValue boxes = graph.precise_constant("refpoint_embed", learnt_boxes_.to(torch::kDouble).sigmoid().unsqueeze(0));
  if (!graph.native()) {  // a row for each picture
    const OnnxValue none = onnx::mul(graph, onnx::batch_numbers(graph, memory.tokens), graph.integer(0));
    boxes = onnx::gather(graph, boxes, none);
  }
  return {content, boxes, {}, {}};
}

}  // namespace rtdetr
