#include <utility>

#include "models/weights/key_table_parts.h"
#include "models/weights/key_tables.h"

/// D-FINE as transformers has it.
namespace rtdetr {
namespace {

using Rules = std::vector<KeyRule>;

/// A convolution, its norm and the affine pair behind it, which only small sizes have.
Rules dfine_unit_rules(const std::string& theirs, const std::string& ours) {
  return {
      {theirs + ".convolution.weight", ours + ".conv.weight"},
      {theirs + ".normalization.{N}", ours + ".bn.{N}"},
      {theirs + ".lab.{scale|bias}", ours + ".lab.{scale|bias}"},
  };
}

/// Its norms are frozen and count no batches.
Rules dfine_backbone_rules() {
  const std::string stage = "stages.{s}.", theirs = "model.backbone.model.encoder." + stage, ours = "backbone." + stage;
  Rules rules = {{"", "backbone.{*}.num_batches_tracked"}};
  append_rules(rules, dfine_unit_rules("model.backbone.model.embedder.{stem1|stem2a|stem2b|stem3|stem4}",
                                       "backbone.stem.{stem1|stem2a|stem2b|stem3|stem4}"));
  append_rules(rules, dfine_unit_rules(theirs + "downsample", ours + "downsample"));
  for (const std::string part : {"layers.{i}", "layers.{i}.{conv1|conv2}", "aggregation.{i}"})
    append_rules(rules, dfine_unit_rules(theirs + "blocks.{b}." + part, ours + "blocks.{b}." + part));
  return rules;
}

Rules dfine_encoder_rules() {
  const std::string theirs = "model.encoder.encoder.{e}.layers.{i}.", ours = "encoder.encoder.{e}.layers.{i}.";
  Rules rules = hugging_face_layer_rules(theirs, ours);
  append_rules(rules,
               {
                   {theirs + "final_layer_norm.{P}", ours + "norm2.{P}"},
                   {"model.encoder_input_proj.{i}.0.weight", "encoder.input_proj.{i}.conv.weight"},
                   {"model.encoder_input_proj.{i}.1.{N}", "encoder.input_proj.{i}.norm.{N}"},
                   {"model.encoder.lateral_convs.{i}.{conv|norm}.{N}", "encoder.lateral_convs.{i}.{conv|norm}.{N}"},
                   {"model.encoder.downsample_convs.{i}.conv{k}.{conv|norm}.{N}",
                    "encoder.downsample_convs.{i}.0.cv{k}.{conv|norm}.{N}"},
               });
  const std::string block = "{fpn_blocks|pan_blocks}.{i}.", unit = ".{conv|norm}.{N}";
  const std::vector<std::pair<std::string, std::string>> parts = {
      {"conv1", "cv1"},
      {"csp_rep1.conv{k}", "cv2.0.conv{k}"},
      {"csp_rep1.bottlenecks.{j}.conv{k}", "cv2.0.bottlenecks.{j}.conv{k}"},
      {"conv2", "cv2.1"},
      {"csp_rep2.conv{k}", "cv3.0.conv{k}"},
      {"csp_rep2.bottlenecks.{j}.conv{k}", "cv3.0.bottlenecks.{j}.conv{k}"},
      {"conv3", "cv3.1"},
      {"conv4", "cv4"}};
  for (const auto& [there, here] : parts)
    rules.push_back({"model.encoder." + block + there + unit, "encoder." + block + here + unit});
  return rules;
}

Rules dfine_decoder_rules() {
  const std::string theirs = "model.decoder.layers.{i}.", ours = "decoder.decoder.layers.{i}.";
  Rules rules = hugging_face_layer_rules(theirs, ours);
  append_rules(rules, {
                          {theirs + "encoder_attn.{sampling_offsets|attention_weights}.{P}",
                           ours + "cross_attn.{sampling_offsets|attention_weights}.{P}"},
                          {theirs + "encoder_attn.num_points_scale", ours + "cross_attn.num_points_scale"},
                          {theirs + "gateway.{gate|norm}.{P}", ours + "gateway.{gate|norm}.{P}"},
                          {theirs + "final_layer_norm.{P}", ours + "norm3.{P}"},
                          {"model.decoder.lqe_layers.{i}.reg_conf.layers.{j}.{P}",
                           "decoder.decoder.lqe_layers.{i}.reg_conf.layers.{j}.{P}"},
                          {"model.decoder.{up|reg_scale}", "decoder.decoder.{up|reg_scale}"},
                          {"", "decoder.{up|reg_scale}"},
                          {"model.decoder.{query_pos_head|pre_bbox_head}.layers.{j}.{P}",
                           "decoder.{query_pos_head|pre_bbox_head}.layers.{j}.{P}"},
                          {"model.decoder.class_embed.{i}.{P}", "decoder.dec_score_head.{i}.{P}"},
                          {"model.decoder.bbox_embed.{i}.layers.{j}.{P}", "decoder.dec_bbox_head.{i}.layers.{j}.{P}"},
                          {"model.decoder_input_proj.{i}.0.weight", "decoder.input_proj.{i}.conv.weight"},
                          {"model.decoder_input_proj.{i}.1.{N}", "decoder.input_proj.{i}.norm.{N}"},
                          {"model.denoising_class_embed.weight", "decoder.denoising_class_embed.weight"},
                          {"model.weight_embedding.weight", "decoder.tgt_embed.weight"},
                          {"model.enc_output.0.{P}", "decoder.enc_output.proj.{P}"},
                          {"model.enc_output.1.{P}", "decoder.enc_output.norm.{P}"},
                          {"model.enc_score_head.{P}", "decoder.enc_score_head.{P}"},
                          {"model.enc_bbox_head.layers.{j}.{P}", "decoder.enc_bbox_head.layers.{j}.{P}"},
                          {"", "decoder.{anchors|valid_mask}"},
                      });
  return rules;
}

KeyLayout make_dfine_layout() {
  KeyLayout layout{"Hugging Face D-FINE", hugging_face_aliases(), dfine_backbone_rules()};
  layout.aliases.push_back({"model.{*}.mlp.layers.0.{P}", "model.{*}.fc1.{P}"});
  layout.aliases.push_back({"model.{*}.mlp.layers.1.{P}", "model.{*}.fc2.{P}"});
  append_rules(layout.rules, dfine_encoder_rules());
  append_rules(layout.rules, dfine_decoder_rules());
  return layout;
}

}  // namespace

const KeyLayout& hugging_face_dfine_layout() {
  static const KeyLayout layout = make_dfine_layout();
  return layout;
}

}  // namespace rtdetr
